/** The chat page: your rooms, one room, and how to find others. */
import { type Candidate, HhsError, type HhsNode, type SpaceInfo, type Status } from '../../js/src/index.js'
import { boot } from '../lib/boot.js'
import { byId, h, setText, show } from '../lib/dom.js'
import { publish } from '../lib/publish.js'
import { problem, statusSentence } from '../lib/text.js'
import { handleFile, saveFile } from './file.js'
import { handleFinder } from './finder.js'
import { History, quoted } from './history.js'
import { handleServers, showInvitation } from './invite.js'
import { Chat, type Room } from './kind.js'
import { forget, remember, sayMissing, sayTaken } from './known.js'
import { Messages } from './messages.js'
import { People } from './people.js'
import { Sender } from './send.js'
import { showStored } from './stored.js'
import { Undoing } from './undo.js'

const lastKey = 'hhs.chat.last'

/** The room on the screen and what follows it. */
interface Shown {
  room: Room
  messages: Messages
  stops: (() => void)[]
}

class Page {
  private shown: Shown | undefined
  private readonly topics = new Map<string, string>()
  private readonly history = new History()
  private started = false
  /** The browser took the store away: until the page is loaded again nothing more is kept. */
  private readOnly = false

  constructor(private readonly node: HhsNode) {}

  async start(): Promise<void> {
    this.handleName()
    this.handleTopic()
    this.handleComposer()
    this.handleSides()
    handleServers(() => this.shown?.room)
    handleFinder(this.node, where => this.open(where))
    handleFile(this.node, space => this.open(space))
    for (const [id, topicOnly] of [['history', false], ['topic-history', true]] as const) {
      byId(id).onclick = () => void this.guard(async () => { if (this.shown) await this.history.open(this.shown.room, topicOnly) })
    }
    byId('save').onclick = () => this.shown && void saveFile(this.node, this.shown.room, this.topics.get(this.shown.room.id) ?? '')
    byId('new-room').onclick = byId('welcome-new').onclick = () => void this.guard(() => this.create())
    byId('leave').onclick = () => void this.guard(() => this.leave())
    byId('stored').addEventListener('toggle', () => this.shown && void this.guard(() => showStored(this.node, this.shown!.room)))
    globalThis.addEventListener('hashchange', () => void this.guard(() => this.openAddress()))
    this.node.subscribeErrors(e => {
      if (e.code !== 'read_only') return this.showError(problem(e))
      this.readOnly = true
      if (this.shown) this.showStatus(this.shown.room.status)
      void sayTaken()
    })
    this.node.subscribeState(s => s.phase === 'up' && this.started && void this.guard(() => this.checkRooms()))
    this.node.subscribeSpaces(spaces => void this.guard(() => this.drawRooms(spaces)))
    setText(byId('own-key'), this.node.identity.slice(-8))
    await this.guard(() => this.checkRooms()) // before one of them is joined anew
    await this.guard(() => this.openAddress())
    this.started = true
    publish({ booted: true })
  }

  /** Looks whether all rooms that were here still are; whenever an engine has opened the store. */
  private async checkRooms(): Promise<void> {
    sayMissing(this.node, await this.node.spaces(), link => void this.guard(() => this.open(link)))
  }

  /** Opens the room the address names, else the one of last time. */
  private async openAddress(): Promise<void> {
    const link = decodeURI(location.hash.slice(1))
    if (link.startsWith('hhs:')) {
      if (!this.shown || !link.startsWith(`hhs:${this.shown.room.id}`)) await this.open(link)
      return
    }
    const spaces = (await this.node.spaces()).filter(isChat)
    const last = spaces.find(s => s.space === localStorage.getItem(lastKey)) ?? spaces[0]
    if (last) await this.open(last.space)
    else show(byId('welcome'), true)
  }

  /** Opens a room; it is shown at once, also while its first copy is still to come. */
  private async open(where: string | Candidate): Promise<void> {
    await this.display(await this.node.join(Chat, where, { wait: false }))
  }

  private async create(): Promise<void> {
    const room = await this.node.create(Chat)
    await this.display(room)
    byId('topic').focus()
    void navigator.storage.persist()
  }

  private async leave(): Promise<void> {
    const room = this.shown?.room
    if (!room || !confirm('Leave this room and delete its copy in this browser?')) return
    if (room.status.ready) await room.update(r => r.participants.remove(this.node.identity))
    forget([room.id])
    this.hide()
    await room.leave()
    history.replaceState(null, '', location.pathname + location.search)
    await this.openAddress()
  }

  private hide(): void {
    this.shown?.messages.stop()
    for (const stop of this.shown?.stops ?? []) stop()
    this.shown = undefined
    show(byId('room'), false)
    show(byId('people-side'), false)
    show(byId('invite'), false)
    publish({ room: '', ready: false, status: '', messages: 0, held: 0, link: '', words: '' })
  }

  private async display(room: Room): Promise<void> {
    if (this.shown?.room === room) return
    this.hide()
    localStorage.setItem(lastKey, room.id)
    const me = this.node.identity
    const undoing = new Undoing(room)
    const messages = new Messages(room, me, m => {
      const takeBack = m.author === me ? () => undoing.takeBack(m.commit, `The message ${quoted(m.value.text, 30)}`) : undefined
      void this.guard(() => this.history.about(room, m.commit, takeBack))
    })
    const people = new People(me, room)
    let entered = false
    const shown: Shown = {
      room,
      messages,
      stops: [
        () => people.stop(),
        () => undoing.stop(),
        room.topic.subscribe(t => this.showTopic(room, t)),
        room.subscribeNames(names => {
          messages.setNames(names)
          people.setNames(names)
        }),
        room.subscribeErrors(e => this.showError(problem(e))),
        room.subscribeSchema(s => publish({ schema: s.version }), { onError: () => {} }), // there is none before the room is here
        room.subscribeStatus(s => {
          this.showStatus(s)
          if (!s.ready || entered) return
          entered = true
          void this.guard(() => this.enter(room))
        }),
      ],
    }
    this.shown = shown
    openSide('')
    show(byId('welcome'), false)
    show(byId('room'), true)
    show(byId('people-side'), true)
    show(byId('invite'), true)
    publish({ room: room.id })
    await showInvitation(room)
    await this.drawRooms(await this.node.spaces())
  }

  /** Says that this person takes part, once. */
  private async enter(room: Room): Promise<void> {
    if (!(await room.participants.has(this.node.identity))) await room.update(r => r.participants.add(this.node.identity))
    await showInvitation(room)
  }

  private showStatus(s: Status): void {
    publish({ status: s.state, togo: s.toGo, peers: s.peers, synced: s.synced, direct: s.direct, commits: s.commits, ready: s.ready })
    setText(byId('status-text'), this.readOnly ? 'Nothing more is saved in this tab.' : statusSentence(s))
    this.showError(s.error?.message ?? '')
    for (const id of ['text', 'topic']) byId<HTMLInputElement>(id).disabled = !s.ready
  }

  private showError(text: string): void {
    setText(byId('room-error'), text)
    show(byId('room-error'), text !== '')
    publish({ roomError: text })
  }

  private showTopic(room: Room, topic: string | undefined): void {
    const field = byId<HTMLInputElement>('topic')
    field.dataset.saved = topic ?? ''
    if (document.activeElement !== field) field.value = topic ?? ''
    document.title = topic ? `${topic} · hhs chat` : 'hhs chat'
    this.topics.set(room.id, topic ?? '')
    publish({ topic: topic ?? '' })
    void this.guard(async () => this.drawRooms(await this.node.spaces()))
  }

  private handleTopic(): void {
    const field = byId<HTMLInputElement>('topic')
    const save = () => this.guard(async () => {
      const room = this.shown?.room
      const text = field.value.trim()
      if (room?.status.ready && text !== (field.dataset.saved ?? '')) await room.update(r => r.topic.set(text))
    })
    byId<HTMLFormElement>('topic-form').onsubmit = e => {
      e.preventDefault()
      field.blur()
    }
    field.onblur = () => void save()
    field.onkeydown = e => {
      if (e.key !== 'Escape') return
      field.value = field.dataset.saved ?? ''
      field.blur()
    }
  }

  private handleName(): void {
    const field = byId<HTMLInputElement>('name')
    const read = () => this.guard(async () => {
      const name = (await this.node.name()) ?? ''
      field.value = name
      publish({ name })
    })
    void read()
    byId<HTMLFormElement>('name-form').onsubmit = e => {
      e.preventDefault()
      const name = field.value.trim()
      if (name) void this.guard(() => this.node.setName(name)).then(read)
    }
  }

  private handleComposer(): void {
    const field = byId<HTMLTextAreaElement>('text')
    const form = byId<HTMLFormElement>('composer')
    const sender = new Sender(this.node)
    form.onsubmit = async e => {
      e.preventDefault()
      const room = this.shown?.room
      const text = field.value.trim()
      if (!room || !text) return
      field.value = ''
      try {
        await sender.send(room, text)
        setText(byId('composer-note'), '')
      } catch (err) {
        // What was typed must not be lost with the error, nor what was typed since.
        field.value = field.value ? `${text}\n${field.value}` : text
        setText(byId('composer-note'), `Not sent. ${problem(HhsError.from(err))}`)
      }
    }
    field.onkeydown = e => {
      if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return
      e.preventDefault()
      form.requestSubmit()
    }
  }

  /** On narrow screens the sides are opened by buttons. */
  private handleSides(): void {
    for (const button of document.querySelectorAll<HTMLButtonElement>('[data-toggles]')) {
      button.onclick = () => openSide(button.getAttribute('aria-expanded') === 'true' ? '' : button.dataset.toggles!)
    }
    byId('welcome-open').onclick = () => {
      openSide('rooms-side')
      byId('where').focus()
    }
  }

  private async drawRooms(spaces: SpaceInfo[]): Promise<void> {
    // Left in another tab.
    if (this.shown && !spaces.some(s => s.space === this.shown?.room.id)) {
      this.hide()
      show(byId('welcome'), true)
    }
    const rooms = spaces.filter(s => isChat(s) || s.space === this.shown?.room.id)
    const unknown = rooms.filter(s => s.ready && !this.topics.has(s.space))
    await Promise.all(unknown.map(async s => {
      const room = await this.node.join(Chat, s.space, { wait: false })
      this.topics.set(s.space, (await room.topic.get()) ?? '')
    }))
    byId('rooms').replaceChildren(...rooms.map(s => {
      const current = s.space === this.shown?.room.id
      const label = this.topics.get(s.space) || `Room ${s.space.slice(-8)}`
      remember(s.space, this.topics.get(s.space) ?? '')
      const button = h('button', {
        type: 'button', 'aria-current': current ? 'true' : undefined, onclick: () => void this.guard(() => this.open(s.space)),
      }, label)
      return h('li', {}, button)
    }))
    show(byId('no-rooms'), rooms.length === 0)
    publish({ rooms: rooms.length })
  }

  /** Runs what a person asked for; an error is shown where they look. */
  private async guard(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (e) {
      const error = HhsError.from(e)
      // The banner says that the engine is being replaced.
      if (error.code === 'engine_restarted') return
      const text = problem(error)
      if (this.shown) return this.showError(text)
      show(byId('welcome'), true)
      setText(byId('open-note'), text)
      publish({ roomError: text })
    }
  }
}

/** Opens one side, closes the others. */
function openSide(id: string): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-toggles]')) {
    const side = button.dataset.toggles!
    button.setAttribute('aria-expanded', String(side === id))
    byId(side).toggleAttribute('data-open', side === id)
  }
}

function isChat(s: SpaceInfo): boolean {
  return s.kind === Chat.kind && s.version === Chat.version
}

await new Page(await boot([Chat], './')).start()
