/** A shelf of files of any size: dropped in one browser, read in another. */
import { type BlobHandle, type BlobValue, type Entry, blob, defineSpace, log, open } from 'hhs'

// A log of blobs. What is in the log are descriptors of some hundred bytes; the files themselves are fetched by who reads them.
const Shelf = defineSpace('example.org/shelf', 1, { files: log(blob()) })

const $ = <E extends HTMLElement>(selector: string, within: ParentNode = document) => within.querySelector<E>(selector)!
const status = $('#status')
addEventListener('unhandledrejection', e => { status.textContent = (e.reason as Error).message })

// This browser's own data. Servers only introduce browsers to each other; this page asks the one it came from.
const host = await fetch('../../hhs.json').then(r => r.json()).catch(() => ({}))
const node = await open({ kinds: [Shelf], servers: host.servers })

// The shelf that the address names, or a new one, whose link becomes the address.
const shelf = location.hash ? await node.join(Shelf, decodeURI(location.hash.slice(1))) : await node.create(Shelf)
history.replaceState(null, '', `#${await shelf.link()}`)
addEventListener('hashchange', () => location.reload())

shelf.subscribeStatus(s => {
  status.textContent = s.peers === 0 ? 'Nobody else is here now.' : `Connected with ${s.peers}.`
})

function megabytes(n: number): string {
  return n < 1e6 ? `${n} bytes` : `${(n / 1e6).toFixed(1)} MB`
}

function newRow(name: string): HTMLElement {
  const row = $('li', $<HTMLTemplateElement>('template').content.cloneNode(true) as DocumentFragment)
  $('strong', row).textContent = name
  return row
}

// A dropped file is read slice by slice, and written before anybody is told. Dropped again after the page was closed
// half way, it goes on where it stopped.
async function put(file: File): Promise<void> {
  const row = newRow(file.name)
  row.classList.add('putting')
  $('#files').prepend(row)
  $('button.keep', row).hidden = $('button.look', row).hidden = true
  const value = await node.putBlob(file, {
    onProgress: (done, size) => {
      $<HTMLProgressElement>('progress', row).value = size === 0 ? 1 : done / size
      $('span', row).textContent = `${megabytes(done)} of ${megabytes(size)} are kept`
    },
  })
  await shelf.update(r => r.files.append(value))
  row.remove()
}

$<HTMLInputElement>('#choose').onchange = e => { for (const f of (e.target as HTMLInputElement).files ?? []) void put(f) }
addEventListener('dragover', e => e.preventDefault())
addEventListener('drop', e => {
  e.preventDefault()
  for (const f of e.dataTransfer?.files ?? []) void put(f)
})

// What this browser wants whole, so that fetching goes on when the page is opened again.
const wanted = (root: string) => `wanted ${root}`

async function fetchAll(file: BlobHandle, row: HTMLElement): Promise<void> {
  localStorage.setItem(wanted(file.value.root.text), 'yes')
  $<HTMLButtonElement>('button.keep', row).disabled = true
  await file.keep()
  localStorage.removeItem(wanted(file.value.root.text))
}

// Both ends of a file, also while the rest is somewhere else: only the chunks with these bytes are fetched.
async function look(file: BlobHandle, row: HTMLElement): Promise<void> {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replace(/[^ -~]/g, '.')
  const [begin, end] = await Promise.all([file.slice(0, 16), file.slice(file.size - 16)])
  $('.inside', row).textContent = `${text(begin)} … ${text(end)}`
}

// The browser takes the stream to its disk; then it can be saved.
async function offer(file: BlobHandle, row: HTMLElement): Promise<void> {
  const all = await new Response(file.stream()).blob()
  const save = $<HTMLAnchorElement>('a.save', row)
  save.href = URL.createObjectURL(all)
  save.download = file.value.name ?? 'file'
  save.hidden = false
}

function show(entry: Entry<BlobValue>): HTMLElement {
  const row = newRow(entry.value.name ?? entry.value.root.text)
  const file = shelf.openBlob(entry.value)
  const keep = $<HTMLButtonElement>('button.keep', row)
  keep.onclick = () => fetchAll(file, row)
  $('button.look', row).onclick = () => look(file, row)
  if (localStorage.getItem(wanted(entry.value.root.text))) void fetchAll(file, row)
  const stop = file.subscribe(have => {
    $<HTMLProgressElement>('progress', row).value = file.size === 0 ? 1 : have / file.size
    $('span', row).textContent = have === file.size ? megabytes(have) : `${megabytes(have)} of ${megabytes(file.size)} are here`
    if (have < file.size) return
    stop()
    keep.hidden = true
    if (file.size < 50e6) void offer(file, row)
  })
  // Whatever refers to these bytes, under whichever name, is found by their root.
  shelf.backlinks(entry.value).subscribe(({ entries }) => {
    $('.times', row).textContent = entries.length > 1 ? `put here ${entries.length} times` : ''
  })
  return row
}

// Called with the files now, and again whenever one was added.
const rows = new Map<string, HTMLElement>()
shelf.files.subscribe(entries => {
  for (const entry of entries) {
    if (rows.has(entry.id)) continue
    const row = show(entry)
    rows.set(entry.id, row)
    $('#files').prepend(row)
  }
})
