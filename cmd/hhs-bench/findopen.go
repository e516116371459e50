package main

import (
	"context"
	"fmt"

	hhs "github.com/hyperhyperspace/hhs-go"
	"github.com/hyperhyperspace/hhs-go/object"
)

// job is an object with a type, which links to another object.
type job struct {
	Type string `hhs:"$type"`
	Text string
	For  object.ID
}

type jobs struct{ Jobs hhs.Map[hhs.Register[job]] }

var jobsKind = hhs.Define[jobs]("hhs.bench/jobs", 1)

const jobType = "hhs.bench/job"

var jobFor = object.Sum(object.Raw, []byte("all of them"))

// findOpen opens a space of many objects of one type that link to one object, and asks for the first page by both, each in a
// process of its own.
func findOpen(ctx context.Context, r *run) error {
	s, err := filled(ctx, r, jobsKind, func(tx *hhs.Tx, r jobs, p payload) error {
		return r.Jobs.At(p.key).Set(tx, job{jobType, p.value, jobFor})
	})
	if err != nil {
		return err
	}
	for _, part := range []string{"find-type", "find-link"} {
		out, err := r.in(ctx, part, s)
		if err != nil {
			return err
		}
		r.set(fmt.Sprintf("%s_cpu_ms", part), out["cpu_ms"])
	}
	r.set("page", page)
	r.set("cache", coldNote)
	return nil
}

// findStage reads the first page of a query.
func findStage(q hhs.Query) func(ctx context.Context, s *stage) error {
	q.Limit = page
	return func(ctx context.Context, s *stage) error {
		return with(ctx, s, jobsKind, func(space *hhs.Space[jobs]) error {
			found, err := space.Find(ctx, q)
			if want := min(page, s.N); err == nil && (len(found.Found) != want || (found.Next == nil) != (s.N <= page)) {
				err = fmt.Errorf("%d objects are found, not %d", len(found.Found), want)
			}
			return err
		})
	}
}
