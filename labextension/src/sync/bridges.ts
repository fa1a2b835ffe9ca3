import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Contents } from '@jupyterlab/services';

import { IRuns } from '../runs';
import { Bridge, IBridgeOptions } from './bridge';

/** Gives every open notebook that belongs to a run its bridge. */
export class Bridges {
  constructor(
    private _runs: IRuns,
    private _contents: Contents.IManager,
    private _options: Omit<IBridgeOptions, 'panel' | 'client'>
  ) {
    _runs.changed.connect(() => this._match());
  }

  track(tracker: INotebookTracker): void {
    tracker.forEach(panel => void this._opened(panel));
    tracker.widgetAdded.connect((_, panel) => void this._opened(panel));
  }

  /** The bridge of an open notebook, if it belongs to a run. */
  of(panel: NotebookPanel): Bridge | null {
    return this._bridges.get(panel) ?? null;
  }

  private async _opened(panel: NotebookPanel): Promise<void> {
    await panel.context.ready;
    await panel.revealed;
    if (panel.isDisposed) {
      return;
    }
    this._panels.add(panel);
    panel.disposed.connect(() => {
      this._panels.delete(panel);
      this._bridges.delete(panel);
    });
    const known = this._runs.ofNotebook(this._path(panel));
    if (known || panel.context.model.getMetadata('cobra')) {
      this._make(panel);
      if (!known) {
        await this._runs.refresh();
      }
      this._match();
    }
  }

  private _make(panel: NotebookPanel): Bridge {
    const { client } = this._runs;
    const bridge = new Bridge({ panel, client, ...this._options });
    this._bridges.set(panel, bridge);
    return bridge;
  }

  private _match(): void {
    for (const panel of this._panels) {
      const bridge = this._bridges.get(panel);
      if (bridge?.connected) {
        continue;
      }
      const found = this._runs.ofNotebook(this._path(panel));
      if (found) {
        const made = bridge ?? this._make(panel);
        made.connect(found.run.channel, found.agent.name);
      }
    }
  }

  private _path(panel: NotebookPanel): string {
    return this._contents.localPath(panel.context.path);
  }

  private _panels = new Set<NotebookPanel>();
  private _bridges = new Map<NotebookPanel, Bridge>();
}
