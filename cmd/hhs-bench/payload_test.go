package main

import "testing"

// The first and last of three with seed 1 and the first with seed 2, as the JavaScript generator gives them.
func TestPayloads(t *testing.T) {
	p := payloads(3, 1)
	if p[0].key != "oAh-9Rnub_dfIZPJ" ||
		p[0].value != "fEZxSMCblzSNqiwMudx_PwJUaPJukIQDn3P_tZTr87s617HC3S4g7tKr8I-KYHZUqgiEz2RKT5SJpjUHJETrpHghNyQ_93ALB-Vu" {
		t.Errorf("first of seed 1: %+v", p[0])
	}
	if p[2].key != "B0ikXGFrYAgjr3fx" {
		t.Errorf("third key of seed 1: %s", p[2].key)
	}
	if key := payloads(1, 2)[0].key; key != "uUSi4ofWyHyMb1lJ" {
		t.Errorf("first key of seed 2: %s", key)
	}
}
