import { ISessionContext } from '@jupyterlab/apputils';
import { Kernel, KernelMessage } from '@jupyterlab/services';
import { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import { CallError } from '../channel';
import { IOperation } from './shadow';
import { Sync } from './sync';

const GRACE = 2000;

interface IOwnRun {
  msg_id: string;
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
  }

  /** There is no runner any longer. */
  leave(): void {
    this._alone = true;
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
    this.set(id, { msg_id: header.msg_id, dropped: false, alone });
    void this._tell(id);
  }

  /** Tell the runner of what was run while it could not be told. */
  private _tellAll(): void {
    for (const [id, run] of [...this]) {
      if (run.alone) {
        this.delete(id); // what it shows goes with the next save
      }
    }
    this._untold.splice(0).forEach(id => void this._tell(id));
  }

  private async _tell(id: string): Promise<void> {
    const run = this.get(id);
    if (!run || !this._sync) {
      return;
    }
    if (!this._sync.following) {
      this._untold.push(id);
      return;
    }
    try {
      void this._sync.flush(true);
      await this._sync.call('ran', { msg_id: run.msg_id, cell_id: id });
    } catch (error) {
      if (error instanceof CallError) {
        this.delete(id);
      } else {
        this._untold.push(id);
      }
    }
  }

  private _onApplied(sync: Sync, operation: IOperation): void {
    const run = this.get(operation.cell_id);
    const over =
      (operation.op === 'count' && operation.data.count !== null) ||
      (operation.op === 'state' && operation.data.state === 'idle');
    if (run && over) {
      window.setTimeout(() => void this._end(sync, operation), GRACE);
    }
  }

  private async _end(sync: Sync, { cell_id, data }: IOperation): Promise<void> {
    const run = this.get(cell_id);
    const code = sync.isDisposed ? undefined : sync.view.code(cell_id);
    if (!run) {
      return;
    }
    const missing =
      code &&
      (run.dropped ||
        code.executionState === 'running' ||
        (data.count && code.executionCount !== data.count));
    if (missing) {
      try {
        const { cell } = await sync.call('cell', { cell_id });
        sync.view.silently(() => {
          sync.writer.setResult(cell);
          code.executionState = 'idle';
        });
      } catch {
        return; // asked again with the next snapshot
      }
    }
    if (this.get(cell_id) === run) {
      this.delete(cell_id);
    }
    void sync.flush();
  }

  private _kernel: Kernel.IKernelConnection | null = null;
  private _sync: Sync | null = null;
  private _untold: string[] = [];
  private _alone = false;
}
