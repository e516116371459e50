/**
 * The service worker: keeps one complete build, so that the pages open with their server gone. A build is installed whole or not at all,
 * files are served from it without asking the network, and the build before is kept until the new one is in use.
 */

/** The files of this build and its hash; set by tools/bundle. */
declare const HHS_FILES: string[]
declare const HHS_BUILD: string

// Written out: TypeScript's library for service workers cannot be loaded beside the one for pages.
interface ExtendableEvent extends Event {
  waitUntil(p: Promise<unknown>): void
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request
  respondWith(r: Promise<Response>): void
}
const worker = globalThis as unknown as {
  addEventListener(type: 'install' | 'activate', fn: (e: ExtendableEvent) => void): void
  addEventListener(type: 'fetch', fn: (e: FetchEvent) => void): void
  addEventListener(type: 'message', fn: (e: MessageEvent) => void): void
  skipWaiting(): Promise<void>
  registration: { scope: string }
  clients: { claim(): Promise<void> }
}

const prefix = 'hhs-pages-'
const cacheName = prefix + HHS_BUILD
const scope = worker.registration.scope

/** Pages are asked for by folder as well as by name. */
function fileOf(url: URL): string | undefined {
  if (!url.href.startsWith(scope)) return undefined
  let path = url.pathname.slice(new URL(scope).pathname.length)
  if (path === '' || path.endsWith('/')) path += 'index.html'
  else if (!path.includes('.')) path += '/index.html'
  return HHS_FILES.includes(path) ? path : undefined
}

async function install(): Promise<void> {
  const cache = await caches.open(cacheName)
  await Promise.all(HHS_FILES.map(async file => {
    const url = new URL(file, scope).href
    // Names under assets/ carry their hash; the others must be this build's.
    const response = await fetch(url, { cache: file.startsWith('assets/') ? 'default' : 'no-cache' })
    if (!response.ok) throw new Error(`cannot keep ${url}: ${response.status}`)
    // A redirected response may not answer a navigation.
    await cache.put(url, response.redirected ? new Response(response.body, response) : response)
  }))
}

async function activate(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith(prefix) && name !== cacheName) await caches.delete(name)
  }
  await worker.clients.claim()
}

async function answer(request: Request, file: string): Promise<Response> {
  const cache = await caches.open(cacheName)
  return (await cache.match(new URL(file, scope).href)) ?? fetch(request)
}

worker.addEventListener('install', e => e.waitUntil(install()))
worker.addEventListener('activate', e => e.waitUntil(activate()))
worker.addEventListener('message', e => { if (e.data === 'update') void worker.skipWaiting() })
worker.addEventListener('fetch', e => {
  if (e.request.method !== 'GET') return
  const file = fileOf(new URL(e.request.url))
  if (file !== undefined) e.respondWith(answer(e.request, file))
})

export {}
