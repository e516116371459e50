/** Spaces as files: what `hhs export` writes on the command line is what these write, byte by byte for one version of a space. */
import type { Client, Data } from './client.js'
import { HhsError } from './errors.js'
import { filePiece } from './limits.js'

/** How far a file is. */
export interface FileProgress {
  /** Commits written or read so far. */
  commits: number
  /** Commits in the whole file; 0 while that is not known. */
  all: number
  /** Bytes written or read so far. */
  bytes: number
}

/** Options of what reads or writes a file. */
export interface FileOptions {
  /** Told after each piece. */
  onProgress?: (p: FileProgress) => void
  /** Gives the file up; what was imported before stays. */
  signal?: AbortSignal
}

/** What came of a file. */
export interface Imported {
  /** The space in it. */
  space: string
  /** Commits in the file, and those of them that were not here before. */
  commits: number
  new: number
  /** The space was not here before. */
  fresh: boolean
  bytes: number
}

/** A file to read: one that a person chose, a stream, or bytes. */
export type FileSource = Blob | ReadableStream<Uint8Array> | Uint8Array

const stopped = () => new HhsError('aborted', 'given up')

/** The file of a space as a stream that is written as it is read. */
export function exportStream(client: Client, space: string, options: FileOptions): ReadableStream<Uint8Array> {
  let file: Promise<Data> | undefined
  let bytes = 0
  const stop = async () => {
    const opened = await file?.catch(() => undefined)
    if (opened) await client.call('fileEnd', { file: opened.file!, stop: true }).catch(() => {})
  }
  return new ReadableStream<Uint8Array>({
    async pull(to) {
      if (options.signal?.aborted) {
        await stop()
        throw stopped()
      }
      file ??= client.call('fileExport', { space })
      const r = await client.call('fileRead', { file: (await file).file! })
      const data = r.data as Uint8Array
      bytes += data.length
      if (data.length > 0) to.enqueue(data)
      options.onProgress?.({ commits: r.commits as number, all: r.all as number, bytes })
      if (r.done) to.close()
    },
    cancel: stop,
  }, { highWaterMark: 0 })
}

/** Reads a file, or only checks it. */
export async function readFile(client: Client, source: FileSource, verify: boolean, options: FileOptions): Promise<Imported> {
  const { file } = await client.call('fileImport', verify ? { verify } : {})
  let bytes = 0
  let ended = false
  try {
    for await (const data of pieces(source)) {
      if (options.signal?.aborted) throw stopped()
      const r = await client.call('fileWrite', { file: file!, data })
      bytes += data.length
      options.onProgress?.({ commits: r.commits as number, all: r.all as number, bytes })
    }
    if (options.signal?.aborted) throw stopped()
    ended = true
    const { read: _, ...imported } = await client.call('fileEnd', { file: file! })
    return imported as unknown as Imported
  } catch (e) {
    if (!ended) await client.call('fileEnd', { file: file!, stop: true }).catch(() => {})
    throw e
  }
}

/** A file in pieces that are not too large. */
async function* pieces(source: FileSource): AsyncGenerator<Uint8Array, void, void> {
  if (source instanceof Uint8Array) {
    for (let at = 0; at < source.length; at += filePiece) yield source.subarray(at, at + filePiece)
    return
  }
  const reader = (source instanceof Blob ? source.stream() : source).getReader()
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      yield* pieces(value)
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
