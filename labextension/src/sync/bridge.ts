import { MarkdownCell } from '@jupyterlab/cells';
import { DocumentRegistry } from '@jupyterlab/docregistry';
import { NotebookPanel } from '@jupyterlab/notebook';
import { IDisposable } from '@lumino/disposable';

import { IChannel } from '../channel';
import { Follow } from './follow';
import { Marks, MarkWords } from './marks';
import { IRefusal } from './outbox';
import { OwnRuns } from './own';
import { IOperation } from './shadow';
import { Sync } from './sync';

const RENDER_EVERY = 100;

export interface IBridgeOptions {
  panel: NotebookPanel;
  client: string;
  words: MarkWords;
  onRefused: (refusal: IRefusal) => void;
}

/**
 * One open notebook and one run's notebook. Made as soon as the notebook is loaded, so that nothing a person
 * changes goes unseen; connected when its run is known.
 */
export class Bridge implements IDisposable {
  constructor(private _options: IBridgeOptions) {
    const { panel, client } = _options;
    this._panel = panel;
    const { context, content } = panel;
    this.own = new OwnRuns(context.sessionContext);
    this.sync = new Sync({ model: context.model, client, own: this.own });
    this.own.connect(this.sync);
    if (this.sync.empty) {
      content.mode = 'command'; // its only cell is going to give way
    }
    this._marks = new Marks(content, _options.words);
    this._follow = new Follow(content);
    this.sync.applied.connect(this._onApplied, this);
    this.sync.refused.connect((_, refusal) => _options.onRefused(refusal));
    context.saveState.connect(this._onSave, this);
    panel.disposed.connect(this.dispose, this);
    content.node.addEventListener('focusout', this._flush);
    document.addEventListener('visibilitychange', this._onVisibility);
    window.addEventListener('pagehide', this._flushNow);
    window.addEventListener('beforeunload', this._flushNow);
  }

  readonly sync: Sync;
  readonly own: OwnRuns;
  isDisposed = false;

  get connected(): boolean {
    return this._channel !== null;
  }

  connect(channel: IChannel, agent: string): void {
    this._channel = channel;
    this.sync.connect(channel, agent);
    channel.event.connect(this._onEvent, this);
    if (channel.detached) {
      this.own.leave();
    }
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this.isDisposed = true;
    void this.sync.flush(true);
    this._channel?.event.disconnect(this._onEvent, this);
    this._panel.context.saveState.disconnect(this._onSave, this);
    this._panel.content?.node.removeEventListener('focusout', this._flush);
    document.removeEventListener('visibilitychange', this._onVisibility);
    window.removeEventListener('pagehide', this._flushNow);
    window.removeEventListener('beforeunload', this._flushNow);
    this._follow.dispose();
    this._marks.dispose();
    this.own.dispose();
    this.sync.dispose();
  }

  private _onEvent(_: IChannel, { event }: { event: string }): void {
    if (event === 'attached') {
      void this.sync.drained().then(() => this.own.resume());
    } else if (event === 'detached') {
      this.own.leave();
    }
  }

  private _onApplied(_: Sync, { op, cell_id, data }: IOperation): void {
    if (op === 'insert') {
      this._follow.grown();
    } else if (op === 'metadata' && cell_id && data.patch.cobra !== undefined) {
      this._marks.refresh(cell_id);
    } else if (op === 'source') {
      this._follow.grown();
      this._render(cell_id);
    } else if (op === 'output' || op === 'update_display') {
      this._follow.grown();
    }
  }

  /** JupyterLab renders Markdown a second after it was last changed; the agent's shall be seen as it comes. */
  private _render(id: string): void {
    this._rendering.add(id);
    this._timer ??= window.setTimeout(() => {
      this._timer = undefined;
      const cells = this._panel.content.widgets;
      for (const id of this._rendering) {
        const cell = cells[this.sync.view.index(id)];
        if (cell instanceof MarkdownCell && cell.rendered) {
          cell.update();
        }
      }
      this._rendering.clear();
    }, RENDER_EVERY);
  }

  private _onSave(
    context: DocumentRegistry.Context,
    state: DocumentRegistry.SaveState
  ): void {
    if (state !== 'started') {
      return;
    }
    this._flushNow();
    const { model } = this._panel.context;
    const { seq } = this.sync.shadow;
    const { client } = this._options;
    this.sync.view.silently(() => {
      // whose save it is, so that it does not come back as somebody else's, and what it has seen
      const cobra = { ...model.getMetadata('cobra'), seq, client };
      model.setMetadata('cobra', cobra);
    });
  }

  private _onVisibility = (): void => {
    if (document.hidden) {
      this._flushNow();
    }
  };

  private _flush = (): void => {
    void this.sync.flush();
  };

  private _flushNow = (): void => {
    void this.sync.flush(true);
  };

  private _panel: NotebookPanel;
  private _channel: IChannel | null = null;
  private _marks: Marks;
  private _follow: Follow;
  private _rendering = new Set<string>();
  private _timer: number | undefined;
}
