import { ISessionContext } from '@jupyterlab/apputils';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import { CallError } from '../channel';
import { IOperation } from './shadow';
import { Sync } from './sync';

const GRACE = 2000;

interface IOwnRun {
  /** Executions that have not ended, in order: a cell may be run again before it has ended. */
  open: Set<string>;
  /** The execution count that the runner sent. */
  count?: number | null;
  /** The kernel connection was lost during the execution: outputs may be missing. */
  dropped: boolean;
  /** There was no runner: the cell ran, if at all, in a kernel that is not the run's. */
  alone: boolean;
}

/**
 * The cells that the person runs in this tab. The tab's own kernel connection shows their outputs. The runner is
 * notified, so that it stores them, and asked for them if the kernel connection was lost.
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
    sync.followed.connect(this._reportAll, this);
    sync.whole.connect(this._onWhole, this);
  }

  /** The runner is gone. */
  leave(): void {
    this._alone = true;
    this._unreported = [];
    this.forEach(run => (run.alone = true));
  }

  /** There is a runner again: reconnect the kernel. */
  resume(): void {
    this._alone = false;
    const kernel = this._session.session?.kernel;
    if (kernel && this._session.kernelDisplayStatus !== 'terminating') {
      // even while 'connecting': its next attempt may be a minute away
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
      void this._report(id, header.msg_id);
    }
  }

  /** Report the cells that were run while the runner could not be reached. */
  private _reportAll(): void {
    for (const [id, run] of [...this]) {
      if (run.alone) {
        this.delete(id); // its outputs go with the next save
      }
    }
    this._unreported.splice(0).forEach(one => void this._report(...one));
  }

  private async _report(id: string, msg_id: string): Promise<void> {
    if (!this._sync?.following) {
      this._unreported.push([id, msg_id]);
      return;
    }
    try {
      void this._sync.flush(true);
      await this._sync.call('ran', { msg_id, cell_id: id });
    } catch (error) {
      if (error instanceof CallError) {
        this._drop(id, msg_id);
      } else {
        this._unreported.push([id, msg_id]);
      }
    }
  }

  /** The runner refused an execution, so its end will not be announced. */
  private _drop(id: string, msg_id: string): void {
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
      const [first] = run.open; // a kernel runs them one by one
      run.open.delete(first);
      if (!run.open.size) {
        this._endLater(sync, cell_id, run);
      }
    }
  }

  /** A whole notebook arrives, with the outputs of `running` cells so far; all other cells have ended. */
  private _onWhole(sync: Sync, running: ReadonlySet<string>): void {
    const unreported = new Set(this._unreported.map(([id]) => id));
    for (const [id, run] of this) {
      if (!run.alone && !running.has(id) && !unreported.has(id)) {
        run.open.clear();
        run.dropped = true;
        this._endLater(sync, id, run);
      }
    }
  }

  /** The kernel's own messages may arrive a little later than the runner's. */
  private _endLater(sync: Sync, id: string, run: IOwnRun): void {
    window.setTimeout(() => void this._end(sync, id, run), GRACE);
  }

  private async _end(sync: Sync, id: string, run: IOwnRun): Promise<void> {
    if (this.get(id) !== run) {
      return; // it was run again in the meantime
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
        return; // the next whole notebook asks again
      }
    }
    this.delete(id);
    void sync.flush();
  }

  private _kernel: Kernel.IKernelConnection | null = null;
  private _sync: Sync | null = null;
  /** Cells and executions that the runner does not know of yet. */
  private _unreported: Array<[string, string]> = [];
  private _alone = false;
}
