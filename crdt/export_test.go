package crdt

// Narrow lets bundles become wide at two or three ops.
func Narrow(env *Env) { env.bundleLimit = 150 }
