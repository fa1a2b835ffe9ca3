import { INotebookModel } from '@jupyterlab/notebook';
import { JSONObject } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { CallError, Dropped, IChannel, IEvent } from '../channel';
import { Change, changes } from './diff';
import { IRefusal, Outbox } from './outbox';
import { ICell, IOperation, read, Shadow } from './shadow';
import { ModelView } from './view';
import { Writer } from './writer';

const RETRY = 2000; // an agent may not have started yet, or have ended
const SLICE = 12;
const HIDDEN_SLICE = 200;

export interface ISyncOptions {
  model: INotebookModel;
  client: string;
  /** Cells whose outputs this tab's own kernel connection shows. */
  own?: ReadonlyMap<string, unknown>;
}

/** Keeps one open notebook equal to the runner's. */
export class Sync implements IDisposable {
  constructor(private _options: ISyncOptions) {
    const model = _options.model;
    this.view = new ModelView(model);
    this.shadow = this._loaded();
    this._own = _options.own ?? new Map();
    const { client } = _options;
    this.writer = new Writer(this.view, this.shadow, client, this._own);
    this._outbox = new Outbox({
      view: this.view,
      shadow: this.shadow,
      client,
      own: this._own,
      unused: () => this._unused(),
      open: () => this._following && !this._isDisposed && !model.isDisposed,
      send: edits => this.call('edit', { edits }),
      drained: () => this.drained(),
      onRefused: refusal => this._refused.emit(refusal),
      onLost: () => this._lose(),
      onSettled: () => this._settle()
    });
    this.view.onTouched = id => this._onTouched(id);
    model.stateChanged.connect(this._onState, this);
  }

  readonly view: ModelView;
  readonly shadow: Shadow;
  readonly writer: Writer;

  /** Emitted after an operation has been applied. */
  get applied(): ISignal<this, IOperation> {
    return this._applied;
  }

  get refused(): ISignal<this, IRefusal> {
    return this._refused;
  }

  /** Emitted when the notebook equals the runner's again and calls are accepted. */
  get followed(): ISignal<this, void> {
    return this._followed;
  }

  /** Emitted before a whole notebook is applied, with the running cells. */
  get whole(): ISignal<this, ReadonlySet<string>> {
    return this._whole;
  }

  /** The id of this tab for the runner. */
  get client(): string {
    return this._options.client;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Whether operations are received and edits are sent. */
  get following(): boolean {
    return this._following;
  }

  /** Whether nobody has written in the notebook yet. */
  get empty(): boolean {
    return this._placeholder !== null;
  }

  /** From now on, follow an agent's notebook whenever its runner can be reached. */
  connect(channel: IChannel, agent: string): void {
    this._disconnect();
    this._channel = channel;
    this._agent = agent;
    channel.event.connect(this._onEvent, this);
    channel.stateChanged.connect(this._onChannel, this);
    if (channel.attached) {
      void this._follow();
    } else if (channel.detached) {
      void this._readFile();
    }
  }

  /**
   * The notebook is read from its file again (`load`). This is not an edit by the person, and the file may be older
   * than the run's notebook, so the tab asks for the run's notebook as a whole.
   */
  reload(load: () => void): void {
    this._emptyQueue();
    this.view.silently(load);
    this.view.model.sharedModel.clearUndoHistory(); // undoing would revert what the agent did since
    this.view.forget();
    this.view.model.dirty = false;
    this._outbox.reset();
    this.shadow.become(this._loaded());
    this._outdated = this._behind = true;
    if (this._channel?.attached) {
      void this._follow();
    } else if (this._channel?.detached) {
      void this._readFile();
    }
  }

  call<T = any>(name: string, args: object): Promise<T> {
    if (!this._channel) {
      return Promise.reject(new Dropped());
    }
    const { _agent: agent, _options: options } = this;
    return this._channel.call(name, { agent, client: options.client, ...args });
  }

  /** Send the person's changes at once; `urgent`: even while earlier edits are under way. */
  flush(urgent = false): Promise<void> {
    return this._outbox.flush(urgent);
  }

  /** Resolves when everything received so far has been applied. */
  drained(): Promise<void> {
    return this._at >= this._queue.length
      ? Promise.resolve()
      : new Promise(resolve => this._waiting.push(resolve));
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    this._outbox.dispose();
    window.clearTimeout(this._next);
    window.clearTimeout(this._retry);
    this._disconnect();
    this._options.model.stateChanged.disconnect(this._onState, this);
    this.view.dispose();
    Signal.clearData(this);
  }

  private _disconnect(): void {
    this._channel?.event.disconnect(this._onEvent, this);
    this._channel?.stateChanged.disconnect(this._onChannel, this);
    this._channel = null;
    this._onChannel();
  }

  private _onChannel(): void {
    if (!this._channel?.attached) {
      window.clearTimeout(this._retry);
      this._following = false;
      this._attempt++;
    }
  }

  private _onEvent(_: IChannel, event: IEvent): void {
    if (event.event === 'attached') {
      void this._follow();
    } else if (event.event === 'detached') {
      void this._readFile();
    } else if (event.event === 'operation' && event.agent === this._agent) {
      if (this._following) {
        this._push(event as unknown as IOperation);
      }
    }
  }

  private async _follow(): Promise<void> {
    window.clearTimeout(this._retry);
    const attempt = ++this._attempt;
    this._following = false;
    await this.drained();
    let answer: any;
    try {
      const seq = this._placeholder || this._outdated ? null : this.shadow.seq;
      answer = await this.call('follow', { seq });
    } catch (error) {
      if (error instanceof CallError && attempt === this._attempt) {
        if (error.kind === 'Unknown') {
          await this._readFile();
        }
        this._followLater();
      }
      return;
    }
    if (attempt !== this._attempt || this._isDisposed) {
      return;
    }
    this._following = this._behind = true;
    this._outdated = false;
    this._outbox.reset();
    if (answer.notebook) {
      this._adopt(answer.notebook, answer.seq, answer.running ?? []);
    } else {
      answer.operations.forEach((operation: IOperation) =>
        this._push(operation)
      );
    }
    await this.drained();
    if (this._following && !this._isDisposed) {
      this._followed.emit();
    }
    await this.flush();
  }

  /** There is nobody to follow: apply, once, what was written to the file while this tab was away. */
  private async _readFile(): Promise<void> {
    if (!this._behind) {
      return;
    }
    const attempt = ++this._attempt;
    this._following = false;
    await this.drained();
    let answer: any;
    try {
      const seq = this._placeholder ? null : this.shadow.seq;
      answer = await this.call('follow', { seq, file: true });
    } catch {
      return; // there is no such file, or the connection was lost again
    }
    if (attempt !== this._attempt || this._isDisposed) {
      return;
    }
    this._behind = false;
    if (answer.notebook && answer.seq > this.shadow.seq) {
      this._adopt(answer.notebook, answer.seq, []);
      if (!this._outbox.pending().length) {
        this._settle();
      }
    }
  }

  private _followLater(): void {
    window.clearTimeout(this._retry);
    if (this._isDisposed || !this._channel?.attached) {
      return;
    }
    this._retry = window.setTimeout(() => void this._follow(), RETRY);
  }

  /** The agent or its runner has ended: edits stay in the tab, for the next save, until one can be followed. */
  private _lose(): void {
    if (this._following && !this._isDisposed) {
      this._following = false;
      this._attempt++;
      this._followLater();
    }
  }

  /** Apply a whole notebook as its difference from the shadow. */
  private _adopt(notebook: any, seq: number, running: string[]): void {
    const target = Shadow.read(notebook, seq);
    const cells = new Map<string, any>(
      notebook.cells.map((cell: any) => [cell.id, cell])
    );
    const busy = new Set(running);
    this._whole.emit(busy);
    this.view.silently(() => {
      for (const change of changes(this.shadow, target, null)) {
        for (const operation of asOperations(change, cells)) {
          this.writer.perform(operation);
        }
      }
      for (const [id, cell] of cells) {
        const code = this.view.code(id);
        if (code && !this._own.has(id)) {
          this.writer.setResult(cell);
          code.executionState = busy.has(id) ? 'running' : 'idle';
          const known = this.shadow.cell(id);
          if (known) {
            known.executed = read(cell).executed;
          }
        }
      }
    });
    this.shadow.seq = seq;
    this._replacePlaceholder();
  }

  /** The cell that JupyterLab puts into an empty notebook, while nobody has written in it. */
  private _unused(): string | null {
    const cell = this._placeholder && this.view.cell(this._placeholder);
    return cell && !cell.source && !cell.executed ? cell.id : null;
  }

  /** Once the runner has cells, remove an unused placeholder; a used one belongs to the person. */
  private _replacePlaceholder(): void {
    const id = this._placeholder;
    if (!id || !this.shadow.order.length) {
      return;
    }
    if (this.shadow.cell(id) || !this._unused()) {
      this.view.touched.order = true;
    } else {
      const notebook = this.view.model.sharedModel;
      const index = this.view.index(id);
      this.view.silently(() =>
        notebook.transact(() => notebook.deleteCell(index), false)
      );
    }
    this._placeholder = null;
  }

  private _push(operation: IOperation): void {
    const last = this._queue[this._queue.length - 1];
    if (this._at < this._queue.length && joins(last, operation)) {
      this._queue[this._queue.length - 1] = joined(last, operation);
    } else {
      this._queue.push(operation);
    }
    if (this._next === undefined) {
      this._drain();
    }
  }

  /** Apply waiting operations, a slice at a time so that the page stays responsive. */
  private _drain(): void {
    this._next = undefined;
    const slice = document.hidden ? HIDDEN_SLICE : SLICE;
    const until = performance.now() + slice;
    while (this._at < this._queue.length) {
      const operation = this._queue[this._at++];
      const isNew = operation.seq > this.shadow.seq;
      if (isNew) {
        this._outbox.note(operation);
      }
      this.writer.apply(operation);
      this._replacePlaceholder();
      if (isNew) {
        this._outbox.compare(operation);
        this._applied.emit(operation);
      }
      if (performance.now() > until && this._at < this._queue.length) {
        this._next = window.setTimeout(() => this._drain(), 0);
        return;
      }
    }
    this._emptyQueue();
  }

  private _emptyQueue(): void {
    this._queue.length = this._at = 0;
    this._waiting.splice(0).forEach(resolve => resolve());
  }

  /** A shadow of the notebook as it was in the file. */
  private _loaded(): Shadow {
    const cells = this.view.all();
    this._placeholder = placeholder(cells);
    return new Shadow(
      this._placeholder ? [] : cells,
      this.view.metadata,
      this.view.model.getMetadata('cobra')?.seq ?? 0
    );
  }

  private _onTouched(id?: string): void {
    if (id && (this._claims(id) || this.view.touched.cleared.has(id))) {
      window.setTimeout(() => void this.flush(), 0);
    }
    this._outbox.schedule();
  }

  /** Whether this is the first touch of an agent's cell: from now on the agent must write elsewhere. */
  private _claims(id: string): boolean {
    const cobra = this.view.cell(id)?.metadata.cobra as JSONObject | undefined;
    if (!cobra?.agent || cobra.person || this._claimed.has(id)) {
      return false;
    }
    this._claimed.add(id);
    return true;
  }

  private _onState(_: INotebookModel, change: { name: string }): void {
    if (change.name === 'dirty' && this._options.model.dirty) {
      this._outbox.schedule();
    }
  }

  /** The runner has everything, so there is nothing to save. */
  private _settle(): void {
    const { model } = this._options;
    if (model.dirty && !this._own.size) {
      model.dirty = false;
    }
  }

  private _outbox: Outbox;
  private _own: ReadonlyMap<string, unknown>;
  private _placeholder: string | null = null;
  private _channel: IChannel | null = null;
  private _agent = '';
  private _following = false;
  private _behind = true;
  /** The content is from the file and may be of any age. */
  private _outdated = false;
  private _attempt = 0;
  private _queue: IOperation[] = [];
  private _at = 0;
  private _next: number | undefined;
  private _retry: number | undefined;
  private _waiting: Array<() => void> = [];
  private _claimed = new Set<string>();
  private _isDisposed = false;
  private _applied = new Signal<this, IOperation>(this);
  private _refused = new Signal<this, IRefusal>(this);
  private _followed = new Signal<this, void>(this);
  private _whole = new Signal<this, ReadonlySet<string>>(this);
}

/** The id of the cell that JupyterLab puts into a notebook without cells, or null. */
function placeholder(cells: ICell[]): string | null {
  const [cell] = cells;
  const only = cells.length === 1 && cell.type === 'code';
  return only && !cell.source && !cell.executed && !cell.metadata.cobra
    ? cell.id
    : null;
}

function asOperations(change: Change, cells: Map<string, any>): IOperation[] {
  const { id } = change;
  const make = (op: string, data: object): IOperation => ({
    agent: '',
    op,
    cell_id: id,
    seq: 0,
    data,
    by: ''
  });
  switch (change.change) {
    case 'insert':
      return [make('insert', { cell: cells.get(id), after: change.after })];
    case 'replace': {
      const order = [...cells.keys()];
      const after = order[order.indexOf(id) - 1] ?? null;
      return [
        make('delete', {}),
        make('insert', { cell: cells.get(id), after })
      ];
    }
    case 'move':
      return [make('move', { after: change.after })];
    case 'source':
      return [make('source', { text: change.text, append: false })];
    case 'metadata':
      return [make('metadata', { patch: change.patch })];
    case 'delete':
      return [make('delete', {})];
    default:
      return [];
  }
}

function joins(last: IOperation, next: IOperation): boolean {
  if (
    last.op !== next.op ||
    last.cell_id !== next.cell_id ||
    last.by !== next.by
  ) {
    return false;
  }
  if (last.op === 'source') {
    return last.data.append && next.data.append;
  }
  const [before, after] = [last.data.output, next.data.output];
  return (
    last.op === 'output' &&
    !next.data.clear &&
    before.output_type === 'stream' &&
    after.output_type === 'stream' &&
    before.name === after.name
  );
}

function joined(last: IOperation, next: IOperation): IOperation {
  if (last.op === 'source') {
    const text = last.data.text + next.data.text;
    return { ...next, data: { text, append: true } };
  }
  const text = last.data.output.text + next.data.output.text;
  return {
    ...next,
    data: { ...last.data, output: { ...last.data.output, text } }
  };
}
