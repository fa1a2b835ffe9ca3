import { UUID } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

import { Action, Api, IAgent, ILogEntry, IStatus } from './api';
import { Channel, IEvent } from './channel';
import { isOver } from './words';

const LOG_LENGTH = 500;

/** One run as this page sees it. */
export class Run implements IDisposable {
  constructor(
    private _api: Api,
    status: IStatus
  ) {
    this.id = status.id;
    this.status = status;
  }

  readonly id: string;
  status: IStatus;
  /** When the status was received, by `performance.now()`. */
  received = performance.now();
  log: ILogEntry[] = [];
  /** The last error, for the person to read. */
  error = '';

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** The run's websocket; opened at the first use. */
  get channel(): Channel {
    if (!this._channel) {
      this._channel = new Channel(this.id, this._api.settings);
      this._channel.event.connect(this._onEvent, this);
      this._channel.stateChanged.connect(() => this._changed.emit());
    }
    return this._channel;
  }

  /** Whether the server can be reached, as far as this page knows. */
  get connected(): boolean {
    return this._channel?.connected ?? true;
  }

  /** Seconds used and seconds left at this moment. */
  clock(): { elapsed: number; left: number } {
    const { elapsed, left, ticking } = this.status;
    const more =
      ticking && this.connected
        ? (performance.now() - this.received) / 1000
        : 0;
    return { elapsed: elapsed + more, left: Math.max(0, left - more) };
  }

  setStatus(status: IStatus): void {
    this.status = status;
    this.received = performance.now();
    this._changed.emit();
  }

  act(action: Action, body?: object): Promise<boolean> {
    return this._do(() => this._api.act(this.id, action, body));
  }

  message(text: string): Promise<boolean> {
    return this._do(() => this._api.message(this.id, text));
  }

  approve(yes: boolean, cell: string, why = ''): Promise<boolean> {
    return this._do(() => this._api.approve(this.id, yes, cell, why));
  }

  fail(message: string): void {
    this.error = message;
    this._changed.emit();
  }

  dispose(): void {
    this._isDisposed = true;
    this._channel?.dispose();
    Signal.clearData(this);
  }

  /** Whether the request succeeded; if not, `error` says why. */
  private async _do(request: () => Promise<IStatus>): Promise<boolean> {
    this.error = '';
    try {
      const status = await request();
      if (isOver(status) || status.at >= this.status.at) {
        this.setStatus(status); // otherwise the channel has already brought a newer one
      }
      return true;
    } catch (error) {
      this.fail((error as Error).message);
      return false;
    }
  }

  private _onEvent(channel: Channel, event: IEvent): void {
    switch (event.event) {
      case 'attached':
        void this._watch(channel);
        break;
      case 'detached':
        this.setStatus(event.status);
        void this._watch(channel);
        break;
      case 'status':
        this.setStatus(event.status);
        break;
      case 'log':
        this._note(event.entry);
        break;
    }
  }

  private async _watch(channel: Channel): Promise<void> {
    try {
      const { status, log } = await channel.call('watch');
      this.log = log;
      this.setStatus(status);
    } catch {
      this._changed.emit(); // the server's own status stays
    }
  }

  private _note(entry: ILogEntry): void {
    const last = this.log[this.log.length - 1];
    if (!last || entry.line > last.line) {
      this.log = [...this.log.slice(1 - LOG_LENGTH), entry];
      this._changed.emit();
    }
  }

  private _channel: Channel | null = null;
  private _isDisposed = false;
  private _changed = new Signal<this, void>(this);
}

export interface IRuns {
  readonly api: Api;
  /** The id of this page for the runner. */
  readonly client: string;
  readonly all: ReadonlyArray<Run>;
  readonly current: Run | null;
  /** Why the runs could not be listed; '' if they could. */
  readonly error: string;
  /** Emitted when the list, the current run or anything about it changed. */
  readonly changed: ISignal<IRuns, void>;
  refresh(): Promise<void>;
  /** Add a run that was just started. */
  add(status: IStatus): Run;
  select(id: string | null): void;
  /** The run and agent that own the notebook at this path of the contents API. */
  ofNotebook(path: string): { run: Run; agent: IAgent } | null;
}

export class Runs implements IRuns {
  constructor(readonly api: Api) {}

  readonly client = UUID.uuid4().replace(/-/g, '').slice(0, 12);
  all: Run[] = [];
  current: Run | null = null;
  error = '';

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  refresh(): Promise<void> {
    this._refreshing ??= this._refresh().finally(() => {
      this._refreshing = null;
    });
    return this._refreshing;
  }

  add(status: IStatus): Run {
    const known = this.all.find(run => run.id === status.id);
    if (known) {
      known.setStatus(status);
      return known;
    }
    const run = this._make(status);
    this.all = [run, ...this.all];
    this._changed.emit();
    return run;
  }

  select(id: string | null): void {
    const run = this.all.find(one => one.id === id) ?? null;
    this._wanted = run ? null : id;
    if (run && run !== this.current) {
      this.current = run;
      void run.channel;
      this._changed.emit();
    }
  }

  ofNotebook(path: string): { run: Run; agent: IAgent } | null {
    for (const run of this.all) {
      const agent = run.status.agents.find(one => one.notebook === path);
      if (agent) {
        return { run, agent };
      }
    }
    return null;
  }

  private async _refresh(): Promise<void> {
    try {
      const list = await this.api.runs();
      const before = new Map(this.all.map(run => [run.id, run]));
      this.all = list.map(status => {
        const known = before.get(status.id);
        before.delete(status.id);
        return known ?? this._make(status);
      });
      list.forEach((status, at) => {
        if (!this.all[at].connected || this.all[at] !== this.current) {
          this.all[at].status = status;
          this.all[at].received = performance.now();
        }
      });
      before.forEach(run => run.dispose());
      this.error = '';
    } catch (error) {
      this.error = (error as Error).message;
    }
    if (!this.all.includes(this.current!)) {
      this.current = null;
    }
    if (this._wanted) {
      this.select(this._wanted);
    }
    if (!this.current && this.all.length) {
      this.select(this.all[0].id);
    }
    this._changed.emit();
  }

  private _make(status: IStatus): Run {
    const run = new Run(this.api, status);
    run.changed.connect(this._onRun, this);
    return run;
  }

  private _onRun(): void {
    this._changed.emit();
  }

  private _refreshing: Promise<void> | null = null;
  private _wanted: string | null = null;
  private _changed = new Signal<this, void>(this);
}
