package crdt

// Narrow lets bundles become wide at two or three ops, and pages of a sequence hold no more pieces.
func Narrow(env *Env) { env.bundleLimit = 150 }

// TotalOf makes a total of the two halves of its sum.
func TotalOf(adds, hi, lo uint64) Total { return Total{adds, hi, lo} }
