/** What a browser must have, asked for before any key is made and named when it is missing. */
import { HhsError } from './errors.js'

/** A well-known Ed25519 public key (RFC 8032, test 1): importing it shows support and makes no key. */
const knownKey = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'

async function hasEd25519(): Promise<boolean> {
  try {
    const raw = Uint8Array.from(knownKey.match(/../g)!, h => parseInt(h, 16))
    await crypto.subtle.importKey('raw', raw, 'Ed25519', true, ['verify'])
    return true
  } catch {
    return false
  }
}

/** Throws `insecure` or `unsupported`, with one sentence to show, when the engine could not work here. */
export async function requireSupport(): Promise<void> {
  if (!globalThis.isSecureContext) {
    throw new HhsError('insecure', `This page was opened from ${location.origin}, where browsers withhold keys and storage; open it over https, or from localhost.`)
  }
  const missing: string[] = []
  if (typeof WebAssembly !== 'object') missing.push('WebAssembly')
  if (typeof Worker !== 'function') missing.push('workers')
  if (typeof BroadcastChannel !== 'function') missing.push('BroadcastChannel')
  if (!globalThis.navigator?.locks) missing.push('Web Locks')
  if (typeof indexedDB !== 'object' || !indexedDB) missing.push('IndexedDB')
  if (!globalThis.crypto?.subtle) missing.push('WebCrypto')
  else if (!(await hasEd25519())) missing.push('Ed25519 signatures in WebCrypto')
  if (missing.length > 0) throw new HhsError('unsupported', `This browser lacks ${missing.join(', ')}; a current Chrome, Firefox or Safari has all of it.`)
}

/** Whether pages can connect to each other directly here; without it they go through servers' WebSockets. */
export function hasDirectConnections(): boolean {
  return typeof RTCPeerConnection === 'function'
}
