/** The page's state on its root element, where browser tests and curious people find it; `web/README.md` lists the names. */

/** Sets `data-*` values and counts the publication in `data-changes`, if anything changed. */
export function publish(values: { [name: string]: string | number | boolean }): void {
  const { dataset } = document.documentElement
  let changed = false
  for (const [name, v] of Object.entries(values)) {
    const text = String(v)
    if (dataset[name] === text) continue
    dataset[name] = text
    changed = true
  }
  if (changed) dataset.changes = String(Number(dataset.changes ?? 0) + 1)
}
