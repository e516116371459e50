//go:build !js

package hhs_test

const writerDir = "HHS_TEST_WRITER_DIR"

func writeUntilKilled(dir string) int { return 0 }
