/**
 * The messages between a page and its worker, and between the workers of one browser profile. Both ends come from one build.
 *
 * Invariants
 *  1. Every `call` is answered by exactly one `result`, unless the worker is replaced; then the client itself rejects it.
 *  2. `up` names the engine by an epoch; results and events of an older epoch never follow it.
 *  3. A worker that is `ended` or `taken` does nothing more and is to be terminated by its page.
 */

/** The lock that a tab's worker holds as long as it lives: whoever gets it knows that the worker is gone. */
export function tabLock(client: string): string {
  return `hhs-tab:${client}`
}

/** An error as it crosses a port. */
export interface WireError {
  code: string
  message: string
  path: string
}

/** The answer to one call. */
export interface WireResult {
  id: number
  result?: Uint8Array
  error?: WireError
}

/** What a page tells its worker. */
export type ToWorker =
  | { t: 'start'; name: string; client: string; wasm: string; rtc: boolean }
  | { t: 'call'; id: number; method: string; args: Uint8Array }
  | { t: 'takeOver' }
  | ({ t: 'rtc' } & BrokerEvent)

/** What a worker tells its page. */
export type FromWorker =
  | { t: 'beat' }
  /** This worker holds the lock that `tabLock` names until it ends. */
  | { t: 'seated' }
  /** An engine is there: in this worker (`leader`) or in another tab's. */
  | { t: 'up'; epoch: string; leader: boolean }
  /** The other tab with the engine is gone; this worker or another one is about to start it. */
  | { t: 'down' }
  /** The other tab with the engine has it and does not answer. */
  | { t: 'silent' }
  /** The engine of this worker ended; `fatal`: it never started. */
  | { t: 'ended'; reason: string; fatal: boolean }
  /** The user took over in another tab. */
  | { t: 'taken' }
  | ({ t: 'result' } & WireResult)
  | { t: 'event'; sub: string; event: Uint8Array }
  | ({ t: 'rtc' } & BrokerCall)

/** What the worker's side of the RTC broker asks of the page's. */
export type BrokerCall =
  | { op: 'create'; rtc: number; config: string }
  | { op: 'offer'; rtc: number; ask: number }
  | { op: 'answer' | 'accept'; rtc: number; ask: number; sdp: string }
  | { op: 'candidate'; rtc: number; json: string }
  /** Pumped only: one message to send. */
  | { op: 'send'; rtc: number; bytes: Uint8Array }
  /** Pumped only: bytes of received messages the worker has taken since the last such message. */
  | { op: 'took'; rtc: number; bytes: number }
  | { op: 'close'; rtc: number }

/** What the page's side of the RTC broker answers and reports. */
export type BrokerEvent =
  /** The transferred channel; absent when the page pumps. */
  | { op: 'made'; rtc: number; channel?: RTCDataChannel }
  | { op: 'answered'; rtc: number; ask: number; sdp?: string; error?: string }
  | { op: 'candidate'; rtc: number; json: string }
  | { op: 'open'; rtc: number }
  | { op: 'message'; rtc: number; bytes: Uint8Array }
  /** Pumped only: bytes that have left for the network, in all. */
  | { op: 'gone'; rtc: number; total: number }
  | { op: 'closed'; rtc: number; reason: string }

/** What the workers of one profile tell each other. */
export type BetweenTabs =
  | { t: 'who'; from: string }
  | { t: 'leader'; epoch: string }
  | { t: 'starting' }
  | { t: 'call'; from: string; epoch: string; id: number; method: string; args: Uint8Array }
  | ({ t: 'result'; to: string; epoch: string } & WireResult)
  | { t: 'event'; to: string; epoch: string; sub: string; event: Uint8Array }
