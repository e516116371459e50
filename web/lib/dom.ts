/** Small help for building pages. Text goes in as text only: nothing here, or anywhere in these pages, reads HTML from a string. */

/** Finds the element with this id, which the page's HTML has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (!found) throw new Error(`the page has no #${id}`)
  return found as T
}

type Attributes = { [name: string]: string | number | boolean | ((e: Event) => void) | undefined }

/** Makes an element: attributes, `onclick`-like handlers, children as elements or text. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag)
  for (const [name, v] of Object.entries(attributes)) {
    if (v === undefined || v === false) continue
    if (typeof v === 'function') e.addEventListener(name.slice(2), v)
    else e.setAttribute(name, v === true ? '' : String(v))
  }
  e.append(...children)
  return e
}

/** Shows or hides an element. */
export function show(e: HTMLElement, visible: boolean): void {
  e.hidden = !visible
}

/** Sets text only when it differs, so that screen readers hear changes and nothing else. */
export function setText(e: HTMLElement, text: string): void {
  if (e.textContent !== text) e.textContent = text
}

/** Puts text on the clipboard and says so on the button for a moment. */
export async function copy(button: HTMLButtonElement, text: string): Promise<void> {
  const label = button.dataset.label ?? (button.dataset.label = button.textContent ?? '')
  try {
    await navigator.clipboard.writeText(text)
    button.textContent = 'Copied'
  } catch {
    button.textContent = 'Not allowed; select the text'
  }
  setTimeout(() => { button.textContent = label }, 2000)
}
