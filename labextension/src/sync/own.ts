import { ISessionContext } from '@jupyterlab/apputils';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import { CallError } from '../channel';
import { IOperation } from './shadow';
import { Sync } from './sync';

const GRACE = 2000;

interface IOwnRun {
  /** Executions that have not ended, in their order: a cell may be run again before it has. */
  open: Set<string>;
  /** The prompt number that the runner gave it. */
  count?: number | null;
  /** The kernel's connection was away while it ran: outputs may be missing. */
  dropped: boolean;
  /** There was no runner: it ran, if at all, in a kernel that the run never had. */
  alone: boolean;
}

/**
 * The cells that the person runs in this tab. The tab's own future shows their outputs; the runner is told,
 * so that it keeps them, and asked for them where the connection to the kernel was away.
 */
export class OwnRuns extends Map<string, IOwnRun> implements IDisposable {
  constructor(private _session: ISessionContext) {
    super();
    _session.kernelChanged.connect(this._onKernel, this);
    _session.connectionStatusChanged.connect(this._onConnection, this);
    this._onKernel();
  }

  isDisposed = false;

  connect(sync: Sync): void {
    this._sync = sync;
    sync.applied.connect(this._onApplied, this);
    sync.followed.connect(this._tellAll, this);
    sync.whole.connect(this._onWhole, this);
  }

  /** There is no runner any longer. */
  leave(): void {
    this._alone = true;
    this._untold = [];
    this.forEach(run => (run.alone = true));
  }

  /** There is a runner again: take the kernel's connection up. */
  resume(): void {
    this._alone = false;
    const kernel = this._session.session?.kernel;
    if (kernel && this._session.kernelDisplayStatus !== 'terminating') {
      // where it is 'connecting', its next attempt may be a minute away
      if (kernel.connectionStatus !== 'connected') {
        kernel.reconnect().catch(reason => console.warn(reason));
      }
    }
  }

  dispose(): void {
    this.isDisposed = true;
    this._session.kernelChanged.disconnect(this._onKernel, this);
    this._session.connectionStatusChanged.disconnect(this._onConnection, this);
    this._kernel?.anyMessage.disconnect(this._onMessage, this);
    Signal.clearData(this);
  }

  private _onKernel(): void {
    this._kernel?.anyMessage.disconnect(this._onMessage, this);
    this._kernel = this._session.session?.kernel ?? null;
    this._kernel?.anyMessage.connect(this._onMessage, this);
  }

  private _onConnection(_: ISessionContext, status: string): void {
    if (status !== 'connected') {
      this.forEach(run => (run.dropped = true));
    }
  }

  private _onMessage(_: unknown, args: Kernel.IAnyMessageArgs): void {
    const { header, metadata } = args.msg as KernelMessage.IMessage;
    const id = metadata?.cellId;
    if (
      args.direction !== 'send' ||
      header.msg_type !== 'execute_request' ||
      typeof id !== 'string' ||
      !this._sync?.view.shared(id)
    ) {
      return;
    }
    const alone = this._alone;
    const before = this.get(id);
    const open = new Set(before?.alone === alone ? before.open : []);
    open.add(header.msg_id);
    this.set(id, { open, dropped: false, alone });
    if (!alone) {
      void this._tell(id, header.msg_id);
    }
  }

  /** Tell the runner of what was run while it could not be told. */
  private _tellAll(): void {
    for (const [id, run] of [...this]) {
      if (run.alone) {
        this.delete(id); // what it shows goes with the next save
      }
    }
    this._untold.splice(0).forEach(one => void this._tell(...one));
  }

  private async _tell(id: string, msg_id: string): Promise<void> {
    if (!this._sync?.following) {
      this._untold.push([id, msg_id]);
      return;
    }
    try {
      void this._sync.flush(true);
      await this._sync.call('ran', { msg_id, cell_id: id });
    } catch (error) {
      if (error instanceof CallError) {
        this._unknown(id, msg_id);
      } else {
        this._untold.push([id, msg_id]);
      }
    }
  }

  /** The runner does not take an execution: its end will not come. */
  private _unknown(id: string, msg_id: string): void {
    const run = this.get(id);
    if (run?.open.delete(msg_id) && !run.open.size) {
      this.delete(id);
    }
  }

  private _onApplied(sync: Sync, { op, cell_id, data, by }: IOperation): void {
    const run = this.get(cell_id);
    if (!run || by !== sync.client) {
      return;
    }
    if (op === 'count') {
      run.count = data.count;
    } else if (op === 'state' && data.state === 'idle') {
      const [first] = run.open; // a kernel runs them one after the other
      run.open.delete(first);
      if (!run.open.size) {
        this._endLater(sync, cell_id, run);
      }
    }
  }

  /** A whole notebook comes, with what `running` cells have shown so far: all others have ended. */
  private _onWhole(sync: Sync, running: ReadonlySet<string>): void {
    const untold = new Set(this._untold.map(([id]) => id));
    for (const [id, run] of this) {
      if (!run.alone && !running.has(id) && !untold.has(id)) {
        run.open.clear();
        run.dropped = true;
        this._endLater(sync, id, run);
      }
    }
  }

  /** The kernel's own messages may come a little later than the runner's. */
  private _endLater(sync: Sync, id: string, run: IOwnRun): void {
    window.setTimeout(() => void this._end(sync, id, run), GRACE);
  }

  private async _end(sync: Sync, id: string, run: IOwnRun): Promise<void> {
    if (this.get(id) !== run) {
      return; // it was run again meanwhile
    }
    const code = sync.isDisposed ? undefined : sync.view.code(id);
    const missing =
      code &&
      (run.dropped ||
        code.executionState === 'running' ||
        (run.count && code.executionCount !== run.count));
    if (missing) {
      try {
        const { cell } = await sync.call('cell', { cell_id: id });
        if (this.get(id) !== run) {
          return;
        }
        sync.view.silently(() => {
          sync.writer.setResult(cell);
          code.executionState = 'idle';
        });
      } catch {
        return; // asked again with the next snapshot
      }
    }
    this.delete(id);
    void sync.flush();
  }

  private _kernel: Kernel.IKernelConnection | null = null;
  private _sync: Sync | null = null;
  /** Cells and their executions. */
  private _untold: Array<[string, string]> = [];
  private _alone = false;
}
