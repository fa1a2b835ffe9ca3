import { DocumentRegistry } from '@jupyterlab/docregistry';
import { INotebookModel, NotebookPanel } from '@jupyterlab/notebook';
import { IDisposable } from '@lumino/disposable';

import { IChannel } from '../channel';
import { MarkWords } from './marks';
import { IRefusal } from './outbox';
import { OwnRuns } from './own';
import { Pane } from './pane';
import { Sync } from './sync';

export interface IBridgeOptions {
  context: DocumentRegistry.IContext<INotebookModel>;
  client: string;
  words: MarkWords;
  onRefused: (refusal: IRefusal) => void;
}

/**
 * Connects one open notebook, in all its views, with one run's notebook. It is created as soon as the notebook is
 * loaded, so that no change is missed, and connected when its run is known.
 */
export class Bridge implements IDisposable {
  constructor(private _options: IBridgeOptions) {
    const { context, client } = _options;
    this.own = new OwnRuns(context.sessionContext);
    this.sync = new Sync({ model: context.model, client, own: this.own });
    this.own.connect(this.sync);
    this._onReload();
    this.sync.refused.connect((_, refusal) => _options.onRefused(refusal));
    context.saveState.connect(this._onSave, this);
    context.disposed.connect(this.dispose, this);
    document.addEventListener('visibilitychange', this._onVisibility);
    window.addEventListener('pagehide', this._flushNow);
    window.addEventListener('beforeunload', this._flushNow);
  }

  readonly sync: Sync;
  readonly own: OwnRuns;
  isDisposed = false;

  /** A view of the notebook has opened. */
  show(panel: NotebookPanel): void {
    if (this._panes.has(panel)) {
      return;
    }
    const pane = new Pane(panel.content, this.sync, this._options.words);
    this._panes.set(panel, pane);
    panel.disposed.connect(() => {
      this._panes.delete(panel);
      pane.dispose();
    });
  }

  /** Follow an agent over a channel, which replaces the last one: a run may return with a new channel. */
  connect(channel: IChannel, agent: string): void {
    if (channel === this._channel) {
      return;
    }
    this._channel?.event.disconnect(this._onEvent, this);
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
    this._channel?.event.disconnect(this._onEvent, this);
    this._options.context.saveState.disconnect(this._onSave, this);
    document.removeEventListener('visibilitychange', this._onVisibility);
    window.removeEventListener('pagehide', this._flushNow);
    window.removeEventListener('beforeunload', this._flushNow);
    this._panes.forEach(pane => pane.dispose());
    this.own.dispose();
    this.sync.dispose();
  }

  /** JupyterLab may read the notebook from its file again; it emits no signal for that. */
  private _onReload(): void {
    const { model } = this._options.context;
    const load = model.fromJSON.bind(model);
    model.fromJSON = content => {
      this.own.clear(); // the reload replaced their outputs; they come from the run
      this.sync.reload(() => load(content));
    };
  }

  private _onEvent(_: IChannel, { event }: { event: string }): void {
    if (event === 'attached') {
      void this.sync.drained().then(() => this.own.resume());
    } else if (event === 'detached') {
      this.own.leave();
    }
  }

  private _onSave(
    context: DocumentRegistry.IContext<DocumentRegistry.IModel>,
    state: DocumentRegistry.SaveState
  ): void {
    if (state !== 'started') {
      return;
    }
    this._flushNow();
    const { model } = this._options.context;
    const { seq } = this.sync.shadow;
    const { client } = this._options;
    this.sync.view.silently(() => {
      // the saving tab, so that its changes do not return as another client's, and what it has seen
      const cobra = { ...model.getMetadata('cobra'), seq, client };
      model.setMetadata('cobra', cobra);
    });
  }

  private _onVisibility = (): void => {
    if (document.hidden) {
      this._flushNow();
    }
  };

  private _flushNow = (): void => {
    void this.sync.flush(true);
  };

  private _channel: IChannel | null = null;
  private _panes = new Map<NotebookPanel, Pane>();
}
