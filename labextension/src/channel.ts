import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';

const FIRST_DELAY = 300;
const LONGEST_DELAY = 10_000;
const PING_EVERY = 20_000;
const PATIENCE = 8_000; // for any message after a ping
const LONG_PATIENCE = 60_000; // if a whole notebook may be on its way before the answer
const OPEN_PATIENCE = 30_000; // to open a connection
const GRACE = 1_000;
const LONG_ANSWERS: ReadonlySet<string> = new Set(['follow', 'cell']);

/** The connection was lost during a call; it is unknown whether the call was carried out. */
export class Dropped extends Error {
  constructor() {
    super('The connection to the server was lost.');
    this.name = 'Dropped';
  }
}

/** A call that the runner or the server refused. */
export class CallError extends Error {
  constructor(
    readonly kind: string,
    message: string
  ) {
    super(message);
    this.name = kind;
  }
}

export interface IEvent {
  event: string;
  [key: string]: any;
}

/** The part of a channel that the live notebook needs. */
export interface IChannel {
  readonly attached: boolean;
  readonly detached: boolean;
  readonly event: ISignal<IChannel, IEvent>;
  readonly stateChanged: ISignal<IChannel, void>;
  call<T = any>(name: string, args?: object): Promise<T>;
}

interface ICall {
  name: string;
  resolve(answer: any): void;
  reject(reason: Error): void;
}

/**
 * The websocket of one run: calls with ids, and events. It reconnects until the channel is disposed. After the
 * computer slept, a socket may seem open although its other end is gone, so the channel pings from time to time.
 */
export class Channel implements IChannel, IDisposable {
  constructor(
    private _run: string,
    private _settings: ServerConnection.ISettings
  ) {
    window.addEventListener('online', this._hurry);
    document.addEventListener('visibilitychange', this._hurry);
    this._pings = window.setInterval(() => this._ping(), PING_EVERY);
    this._connect();
  }

  /** Events of the run, and the server's `attached` and `detached`. */
  get event(): ISignal<this, IEvent> {
    return this._event;
  }

  /** Emitted when `connected` or `attached` changed. */
  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  get connected(): boolean {
    return this._connected;
  }

  /** Whether a runner is connected at the other end. */
  get attached(): boolean {
    return this._attached;
  }

  /** Whether the server says that there is no runner. */
  get detached(): boolean {
    return this._detached;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  call<T = any>(name: string, args: object = {}): Promise<T> {
    const socket = this._socket;
    if (!this._connected || !socket) {
      return Promise.reject(new Dropped());
    }
    const id = ++this._lastId;
    return new Promise<T>((resolve, reject) => {
      this._calls.set(id, { name, resolve, reject });
      socket.send(JSON.stringify({ id, call: name, args }));
    });
  }

  dispose(): void {
    if (this._isDisposed) {
      return;
    }
    this._isDisposed = true;
    window.removeEventListener('online', this._hurry);
    document.removeEventListener('visibilitychange', this._hurry);
    window.clearTimeout(this._timer);
    window.clearInterval(this._pings);
    this._socket?.close();
    this._lost();
    Signal.clearData(this);
  }

  private _url(): string {
    const { wsUrl, token, appendToken } = this._settings;
    const run = encodeURIComponent(this._run);
    const url = URLExt.join(wsUrl, 'cobra', 'runs', run, 'channel');
    return appendToken && token
      ? `${url}?token=${encodeURIComponent(token)}`
      : url;
  }

  private _connect(): void {
    this._timer = undefined;
    const socket = new this._settings.WebSocket(this._url());
    this._socket = socket;
    this._expect(socket, OPEN_PATIENCE);
    socket.onopen = () => {
      if (socket !== this._socket) {
        socket.close(); // it opened too late
        return;
      }
      this._alive();
      this._connected = true;
      this._delay = FIRST_DELAY;
      this._stateChanged.emit();
    };
    socket.onmessage = message => {
      if (socket === this._socket) {
        this._alive();
        this._receive(String(message.data));
      }
    };
    socket.onclose = () => this._closed(socket);
  }

  /** The call is unknown to the server, but its error answer shows that the server is there. */
  private _ping(): void {
    const socket = this._socket;
    if (!socket || !this._connected || this._deadline || document.hidden) {
      return;
    }
    this.call('ping').catch(() => undefined);
    const long = [...this._calls.values()].some(({ name }) =>
      LONG_ANSWERS.has(name)
    );
    this._expect(socket, long ? LONG_PATIENCE : PATIENCE);
  }

  /** Give up a socket on which nothing arrives in time. */
  private _expect(socket: WebSocket, patience: number): void {
    const until = performance.now() + patience;
    const unsent = socket.bufferedAmount;
    this._alive();
    this._deadline = window.setTimeout(() => {
      this._deadline = undefined;
      const late = performance.now() > until + GRACE; // the page was frozen: messages may be waiting
      if (late || socket.bufferedAmount < unsent) {
        this._expect(socket, patience);
        return;
      }
      this._closed(socket); // the socket's own event may come a minute later, or never
      socket.close();
    }, patience);
  }

  private _alive(): void {
    window.clearTimeout(this._deadline);
    this._deadline = undefined;
  }

  private _closed(socket: WebSocket): void {
    if (this._isDisposed || socket !== this._socket) {
      return;
    }
    this._lost();
    const wait = this._delay * (0.75 + Math.random() / 2);
    this._delay = Math.min(this._delay * 2, LONGEST_DELAY);
    this._timer = window.setTimeout(() => this._connect(), wait);
  }

  private _lost(): void {
    this._alive();
    this._socket = null;
    this._connected = false;
    this._attached = this._detached = false;
    const calls = [...this._calls.values()];
    this._calls.clear();
    for (const call of calls) {
      call.reject(new Dropped());
    }
    this._stateChanged.emit();
  }

  private _hurry = (): void => {
    if (this._timer !== undefined && !document.hidden) {
      window.clearTimeout(this._timer);
      this._delay = FIRST_DELAY;
      this._connect();
    } else {
      this._ping();
    }
  };

  private _receive(text: string): void {
    const frame = JSON.parse(text);
    if (typeof frame.event === 'string') {
      this._handle(frame);
      return;
    }
    const call = this._calls.get(frame.id);
    if (!call) {
      return;
    }
    this._calls.delete(frame.id);
    if (frame.error) {
      call.reject(new CallError(frame.error.kind, frame.error.message));
    } else {
      call.resolve(frame.answer);
    }
  }

  private _handle(event: IEvent): void {
    if (event.event === 'attached' || event.event === 'detached') {
      this._attached = event.event === 'attached';
      this._detached = !this._attached;
      this._stateChanged.emit();
    }
    this._event.emit(event);
  }

  private _socket: WebSocket | null = null;
  private _connected = false;
  private _attached = false;
  private _detached = false;
  private _isDisposed = false;
  private _lastId = 0;
  private _calls = new Map<number, ICall>();
  private _delay = FIRST_DELAY;
  private _timer: number | undefined;
  private _pings: number;
  private _deadline: number | undefined;
  private _event = new Signal<this, IEvent>(this);
  private _stateChanged = new Signal<this, void>(this);
}
