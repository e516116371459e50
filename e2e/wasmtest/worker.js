// Runs /test.wasm in this worker. Output goes to the server by synchronous requests, so that it arrives complete and in
// order even if the program ends in the next instruction.
'use strict'

const post = (path, body) => {
	const request = new XMLHttpRequest()
	request.open('POST', path, false)
	request.send(body)
}

const missing = () => Object.assign(new Error('no such file or directory'), { code: 'ENOENT' })
const refuse = (...args) => args.at(-1)(missing())
let partial = [] // bytes of a line that has not ended yet

globalThis.fs = {
	constants: { O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_TRUNC: 512, O_APPEND: 1024, O_EXCL: 128, O_DIRECTORY: 65536 },
	writeSync(fd, buf) {
		const end = buf.lastIndexOf(10) + 1
		if (end > 0) {
			post('/out', new Blob([...partial, buf.slice(0, end)]))
			partial = []
		}
		if (end < buf.length) partial.push(buf.slice(end))
		return buf.length
	},
	write(fd, buf, offset, length, position, done) {
		if (fd !== 1 && fd !== 2) return done(missing())
		done(null, this.writeSync(fd, buf.subarray(offset, offset + length)))
	},
	fsync(fd, done) { done(null) },
	close(fd, done) { done(null) },
}
for (const name of ['chmod', 'chown', 'fchmod', 'fchown', 'fstat', 'ftruncate', 'lchown', 'link', 'lstat', 'mkdir', 'open',
	'read', 'readdir', 'readlink', 'rename', 'rmdir', 'stat', 'symlink', 'truncate', 'unlink', 'utimes']) globalThis.fs[name] = refuse

globalThis.process = {
	pid: 1, ppid: 1, getuid: () => 0, getgid: () => 0, geteuid: () => 0, getegid: () => 0, getgroups: () => [],
	umask: () => 0, cwd: () => '/', chdir() { throw missing() },
}

// A test may start this worker again as its child, with ?child=1 and env=NAME=VALUE: the child's end is a message.
const query = new URLSearchParams(location.search)

const exit = (code, text = '') => {
	if (partial.length) post('/out', new Blob(partial))
	if (query.has('child')) postMessage({ exit: code, text })
	else post('/exit?code=' + code, text)
}

const run = async () => {
	importScripts('/wasm_exec.js')
	const config = await (await fetch('/config.json')).json()
	const go = new Go()
	go.argv = config.argv
	go.env = Object.fromEntries([...config.env, ...query.getAll('env')].map(v => [v.slice(0, v.indexOf('=')), v.slice(v.indexOf('=') + 1)]))
	let code = 0
	go.exit = c => { code = c }
	const { instance } = await WebAssembly.instantiateStreaming(fetch('/test.wasm'), go.importObject)
	await go.run(instance)
	exit(code)
}
run().catch(e => exit(2, `worker: ${e.stack || e}\n`))
