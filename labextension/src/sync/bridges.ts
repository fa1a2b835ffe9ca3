import { DocumentRegistry } from '@jupyterlab/docregistry';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Contents } from '@jupyterlab/services';

import { IRuns } from '../runs';
import { Bridge, IBridgeOptions } from './bridge';

/** Creates a bridge for every open notebook that belongs to a run. */
export class Bridges {
  constructor(
    private _runs: IRuns,
    private _contents: Contents.IManager,
    private _options: Omit<IBridgeOptions, 'context' | 'client'>,
    private _reopen: (path: string) => void
  ) {
    _runs.changed.connect(() => this._match());
  }

  track(tracker: INotebookTracker): void {
    tracker.forEach(panel => void this._opened(panel));
    tracker.widgetAdded.connect((_, panel) => void this._opened(panel));
  }

  /** The bridge of an open notebook, if it belongs to a run. */
  of(panel: NotebookPanel): Bridge | null {
    return this._bridges.get(panel.context) ?? null;
  }

  private async _opened(panel: NotebookPanel): Promise<void> {
    await panel.context.ready;
    await panel.revealed;
    if (panel.isDisposed || (await this._wasOpenedShared(panel))) {
      return;
    }
    this._panels.add(panel);
    panel.disposed.connect(() => this._panels.delete(panel));
    const known = this._runs.ofNotebook(this._path(panel));
    if (known || panel.context.model.getMetadata('cobra')) {
      this._show(panel);
      if (!known) {
        await this._runs.refresh();
      }
      this._match();
    }
  }

  /**
   * A run's notebook that was renamed elsewhere may have been opened as a shared document, because this page did
   * not know its path. It is opened again, now alone.
   */
  private async _wasOpenedShared(panel: NotebookPanel): Promise<boolean> {
    const { model, path } = panel.context;
    if (!model.collaborative || !model.getMetadata('cobra')) {
      return false;
    }
    await this._runs.refresh();
    const ofRun = this._runs.ofNotebook(this._path(panel)) !== null;
    if (ofRun) {
      this._reopen(path);
    }
    return ofRun || panel.isDisposed;
  }

  /** One bridge serves all views of a notebook: with two, each change would be made twice. */
  private _show(panel: NotebookPanel): Bridge {
    const { context } = panel;
    let bridge = this._bridges.get(context);
    if (!bridge) {
      const { client } = this._runs;
      bridge = new Bridge({ context, client, ...this._options });
      this._bridges.set(context, bridge);
      context.disposed.connect(() => this._bridges.delete(context));
    }
    bridge.show(panel);
    return bridge;
  }

  private _match(): void {
    for (const panel of this._panels) {
      const found = this._runs.ofNotebook(this._path(panel));
      if (found) {
        this._show(panel).connect(found.run.channel, found.agent.name);
      }
    }
  }

  private _path(panel: NotebookPanel): string {
    return this._contents.localPath(panel.context.path);
  }

  private _panels = new Set<NotebookPanel>();
  private _bridges = new Map<DocumentRegistry.Context, Bridge>();
}
