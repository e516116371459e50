/** Collects what a subscription gives and waits for the first value that satisfies. */
export function collector<T>() {
  const seen: T[] = []
  let looks: (() => void)[] = []
  return {
    seen,
    fn: (v: T) => { seen.push(v); for (const look of looks) look() },
    until: (ok: (v: T) => boolean) => new Promise<T>(resolve => {
      const look = () => {
        const last = seen.at(-1)
        if (seen.length === 0 || !ok(last as T)) return
        looks = looks.filter(l => l !== look)
        resolve(last as T)
      }
      looks.push(look)
      look()
    }),
  }
}
