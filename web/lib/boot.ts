/** What every page does first: the service worker, the servers this host offers, the engine, and what to say when one is missing. */
import { type BrowserOpenOptions, type EngineState, HhsError, type HhsNode, type SpaceKind, open } from '../../js/src/index.js'
import { byId, h, setText, show } from './dom.js'
import { publish } from './publish.js'
import { problem } from './text.js'

/** Names of the built files beside the scripts; set by tools/bundle. */
declare const HHS_ASSETS: { worker: string; wasm: string }

/** What `hhs serve` says about itself in hhs.json; a static host has an empty one. */
export interface Host {
  servers: string[]
  endpoints: string[]
}

const hostKey = 'hhs.host'
const hostTimeout = 1500

/** Reads hhs.json. A host that is away or silent must not hold up a page that works without it: then the last answer counts. */
async function readHost(root: string): Promise<Host> {
  const saved = localStorage.getItem(hostKey)
  const fresh = fetchHost(root).then(host => {
    if (host) localStorage.setItem(hostKey, JSON.stringify(host))
    return host
  })
  if (saved) return lists(JSON.parse(saved))
  return (await fresh) ?? { servers: [], endpoints: [] }
}

async function fetchHost(root: string): Promise<Host | undefined> {
  try {
    const r = await fetch(`${root}hhs.json`, { signal: AbortSignal.timeout(hostTimeout), cache: 'no-store' })
    return r.ok ? lists(await r.json()) : undefined
  } catch {
    return undefined
  }
}

function lists(v: unknown): Host {
  const texts = (l: unknown) => (Array.isArray(l) ? l.filter(x => typeof x === 'string') : [])
  const o = (v ?? {}) as { servers?: unknown; endpoints?: unknown }
  return { servers: texts(o.servers), endpoints: texts(o.endpoints) }
}

/** Options a test or a curious person may put into the address: `?pump`, `?direct=no`, `?words=no`, `?server=wss://...`, `?name=...`. */
function fromAddress(): Partial<BrowserOpenOptions> {
  const q = new URLSearchParams(location.search)
  const o: Partial<BrowserOpenOptions> = {}
  if (q.has('pump')) o.pump = true
  if (q.get('direct') === 'no') o.direct = false
  if (q.get('words') === 'no') o.words = false
  o.name = databaseName()
  const servers = q.getAll('server')
  if (servers.length > 0) o.servers = servers
  return o
}

/** Names the database of this page: `?name=...` is another person. */
export function databaseName(): string {
  return new URLSearchParams(location.search).get('name') || 'hhs'
}

/** Milliseconds after which a start that takes long is explained: many times what it takes, and before anybody closes the page. */
const slow = 5000

/** Says what holds up a start that does not come to its end: a tab of an older version that does not let go of the database. */
function explainSlow(): () => void {
  const timer = setTimeout(() => {
    publish({ state: 'waiting' })
    void notice('This takes longer than usual: the program is still loading, or another tab or window of this site holds what is stored here. If there is one, close or reload it. Nothing is lost.')
  }, slow)
  return () => clearTimeout(timer)
}

/** Opens the node; every failure is said in the page's notice, with a button where one helps. Never returns when there is no way on. */
export async function boot(kinds: SpaceKind<any>[], root: string): Promise<HhsNode> {
  publish({ state: 'starting' })
  const assets = { worker: new URL(HHS_ASSETS.worker, import.meta.url), wasm: new URL(HHS_ASSETS.wasm, import.meta.url) }
  let takeOver = false
  for (;;) {
    const explained = explainSlow()
    try {
      const host = await readHost(root)
      const node = await open({ kinds, ...host, assets, takeOver, ...fromAddress() })
      explained()
      publish({ identity: node.identity, device: node.device })
      // Not earlier: it fetches the same files, and Chromium aborts one of two readers of a large file that its cache is just being given.
      registerServiceWorker(root)
      node.subscribeState(s => follow(node, s))
      return node
    } catch (e) {
      explained()
      const error = HhsError.from(e)
      const way = wayOn(error.code)
      publish({ state: error.code, error: error.message })
      await notice(sentence(error), way)
      takeOver = error.code === 'other_tab'
      publish({ state: 'starting' })
    }
  }
}

/** What the button says that goes on after a failure; undefined: there is no way on. */
function wayOn(code: string): string | undefined {
  if (code === 'insecure' || code === 'unsupported' || code === 'newer') return undefined
  return code === 'other_tab' ? 'Take over here' : 'Try again'
}

function sentence(e: HhsError): string {
  if (e.code === 'newer') return `The data in this browser was written by a newer version of hhs; nothing was changed. Reload to get that version. (${e.message})`
  return problem(e)
}

let restarts = 0

function follow(node: HhsNode, s: EngineState): void {
  publish({ state: s.phase === 'up' ? 'ready' : s.phase, leader: s.leader })
  switch (s.phase) {
    case 'up': return hideNotice()
    case 'other_tab': return void notice(s.message, 'Take over here').then(() => node.takeOver())
    case 'failed': return void notice(s.message, 'Try again').then(() => node.retry())
    case 'moving': return void notice(s.message)
    case 'restarting':
      publish({ restarts: ++restarts })
      void notice(s.message)
      // The start takes a moment only; what happened must stay to be read.
      setText(byId('update'), 'The engine ended and was started again. Everything that was marked as saved is here.')
      return show(byId('update'), true)
  }
}

function hideNotice(): void {
  show(byId('notice'), false)
}

/** Shows a sentence; resolves when its button is pressed, never when it has none. */
export function notice(text: string, button?: string): Promise<void> {
  const box = byId('notice')
  return new Promise(resolve => {
    const parts: Node[] = [h('p', {}, text)]
    if (button) {
      parts.push(h('button', { type: 'button', onclick: () => { hideNotice(); resolve() } }, button))
    }
    box.replaceChildren(...parts)
    show(box, true)
  })
}

/** Lets the page open with its server gone, and offers a newer build when there is one. */
function registerServiceWorker(root: string): void {
  if (!globalThis.isSecureContext || !('serviceWorker' in navigator)) return publish({ sw: 'none' })
  const workers = navigator.serviceWorker
  // The first worker takes over a page that had none; a later one only after the person asked for the update.
  let updating = false
  const hadOne = workers.controller !== null
  workers.addEventListener('controllerchange', () => {
    publish({ sw: 'controlled' })
    if (updating) location.reload()
    // Updated from another tab: this page's files are no longer kept.
    else if (hadOne) offerUpdate(() => location.reload())
  })
  publish({ sw: workers.controller ? 'controlled' : 'installing' })
  workers.register(`${root}sw.js`).then(
    registration => {
      const offer = () => {
        const waiting = registration.waiting
        if (!waiting || !workers.controller) return
        publish({ update: 'available' })
        offerUpdate(() => {
          updating = true
          waiting.postMessage('update')
        })
      }
      offer()
      registration.addEventListener('updatefound', () => {
        registration.installing?.addEventListener('statechange', offer)
      })
      // A page that stays open for days learns of new builds when its server is back.
      globalThis.addEventListener('online', () => void registration.update().catch(() => {}))
      document.addEventListener('visibilitychange', () => {
        if (!document.hidden) void registration.update().catch(() => {})
      })
    },
    // With the server gone there is nothing to register; the worker of before goes on.
    () => { if (!workers.controller) publish({ sw: 'none' }) },
  )
}

function offerUpdate(go: () => void): void {
  const bar = byId('update')
  bar.replaceChildren('A new version of this page is ready. ', h('button', { type: 'button', onclick: go }, 'Reload'))
  show(bar, true)
}
