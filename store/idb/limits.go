package idb

const (
	// Format is the version of the stored form and of the database. Raising it makes older programs refuse the
	// database untouched.
	Format = 1

	// maxNumber is the largest integer that a JavaScript number holds exactly.
	maxNumber = 1<<53 - 1
)
