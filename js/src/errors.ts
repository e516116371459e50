/**
 * The stable codes of everything that can go wrong, the same texts as in the Go library and the CLI.
 * `BRIDGE.md`, which is in the package, says what each means.
 */
export type ErrorCode =
  | 'invalid' | 'value' | 'overflow' | 'already_set' | 'schema' | 'unknown_kind' | 'kind_mismatch' | 'bad_link' | 'bad_words'
  | 'not_found' | 'not_ready' | 'old_schema' | 'closed' | 'offline' | 'full' | 'locked' | 'newer' | 'corrupt' | 'read_only' | 'forked' | 'busy'
  | 'refused' | 'signature' | 'aborted' | 'file' | 'stale' | 'too_large' | 'blob' | 'internal' | 'fold'
  | 'engine_restarted' | 'engine_failed' | 'other_tab' | 'taken_over' | 'insecure' | 'unsupported'

/** Every error this package throws or rejects with: branch on `code`, show `message`. */
export class HhsError extends Error {
  /** Stable, for programs. */
  readonly code: ErrorCode
  /** The part of a value that is to blame, such as `messages[0].text`; empty where no part is. */
  readonly path: string

  constructor(code: ErrorCode, message: string, path = '') {
    super(path && !message.includes(path) ? `${path}: ${message}` : message)
    this.name = 'HhsError'
    this.code = code
    this.path = path
  }

  /** Makes an HhsError of anything thrown, keeping code and path where it has them. */
  static from(cause: unknown): HhsError {
    if (cause instanceof HhsError) return cause
    const it = cause as { code?: unknown; message?: unknown; path?: unknown } | null | undefined
    const message = typeof it?.message === 'string' ? it.message : String(cause)
    const known = typeof it?.code === 'string' && /^[a-z]+(_[a-z]+)*$/.test(it.code)
    const e = new HhsError(known ? (it.code as ErrorCode) : 'internal', message, typeof it?.path === 'string' ? it.path : '')
    e.cause = cause
    return e
  }
}
