/** Runs the engine: one instance of the Go program compiled to WebAssembly, reached as `js/BRIDGE.md` says. */
import { HhsError } from './errors.js'

/** The class `wasm_exec.js` of the Go distribution defines. */
interface GoRuntime {
  importObject: WebAssembly.Imports
  exit: (code: number) => void
  run(instance: WebAssembly.Instance): Promise<void>
  _resume(): void
  _scheduledTimeouts: Map<number, ReturnType<typeof setTimeout>>
}

interface EngineGlobals {
  Go?: new () => GoRuntime
  fs?: { writeSync(fd: number, buf: Uint8Array): number }
  hhsReady?: () => void
  hhsCall?: (method: string, args: Uint8Array) => Promise<Uint8Array>
  hhsEvent?: (sub: string, event: Uint8Array) => void
  hhsRTC?: object
}

/** One running engine. */
export interface Engine {
  call(method: string, args: Uint8Array): Promise<Uint8Array>
  /** Resolves, with what it said last, when the engine has ended for whatever reason. */
  readonly ended: Promise<string>
}

/** What an engine needs from its surroundings. */
export interface EngineOptions {
  module: WebAssembly.Module
  onEvent(sub: string, event: Uint8Array): void
  /** The RTC broker; absent: WebSockets only. */
  rtc?: object | undefined
}

const scope = globalThis as unknown as EngineGlobals

/** The lines of a Go panic that say what happened; the traces after them do not fit in a sentence. */
function lastWords(text: string): string {
  const line = text.split('\n').find(l => /^(panic|fatal error|runtime error)/.test(l)) ?? text.trim().split('\n').pop() ?? ''
  return line.slice(0, 300)
}

/** Keeps the end of what the engine prints, which is where a panic is, and shows all of it on the console. */
function captureOutput(): () => string {
  let kept = ''
  let line = ''
  const text = new TextDecoder()
  if (scope.fs) {
    scope.fs.writeSync = (_fd, buf) => {
      line += text.decode(buf, { stream: true })
      const lines = line.split('\n')
      line = lines.pop() ?? ''
      for (const l of lines) console.debug(l)
      kept = (kept + lines.map(l => l + '\n').join('')).slice(-16384)
      return buf.length
    }
  }
  return () => kept + line
}

/** Timers and events that come after the end throw in wasm_exec.js, which under Node.js would end the process. */
function silence(go: GoRuntime): void {
  for (const t of go._scheduledTimeouts?.values() ?? []) clearTimeout(t)
  go._resume = () => {}
}

/** Starts an engine; rejects with `engine_failed` when it ends before it is ready. */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  if (!scope.Go) throw new HhsError('engine_failed', 'this build of hhs is not complete: the Go runtime (wasm_exec.js) is missing')
  const output = captureOutput()
  const ready = new Promise<void>(resolve => { scope.hhsReady = resolve })
  scope.hhsEvent = options.onEvent
  if (options.rtc) scope.hhsRTC = options.rtc
  const go = new scope.Go()
  let code = 0
  go.exit = c => { code = c }
  const instance = await WebAssembly.instantiate(options.module, go.importObject)
  const ended = go.run(instance).then(
    () => (code === 0 ? 'closed' : lastWords(output()) || `exit code ${code}`),
    (e: unknown) => lastWords(output()) || String(e),
  )
  void ended.then(() => silence(go))
  const early = await Promise.race([ready, ended])
  if (typeof early === 'string') throw new HhsError('engine_failed', `the engine did not start: ${early}`)
  return { ended, call: answering(scope.hhsCall!, ended) }
}

/** Makes every call end with the engine: one that ends, even regularly, may leave answers behind. */
function answering(call: NonNullable<EngineGlobals['hhsCall']>, ended: Promise<string>): Engine['call'] {
  // Not a race with `ended`: a promise that lives as long as the engine would remember every call.
  const pending = new Set<(e: HhsError) => void>()
  let over: HhsError | undefined
  void ended.then(reason => {
    over = new HhsError('engine_restarted', `the engine ended (${reason}) while this call was under way`)
    for (const reject of pending) reject(over)
    pending.clear()
  })
  return (method, args) => new Promise((resolve, reject) => {
    if (over) return reject(over)
    pending.add(reject)
    call(method, args).then(resolve, reject).finally(() => pending.delete(reject))
  })
}
