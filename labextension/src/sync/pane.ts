import { MarkdownCell } from '@jupyterlab/cells';
import { Notebook } from '@jupyterlab/notebook';
import { IDisposable } from '@lumino/disposable';

import { Follow } from './follow';
import { Marks, MarkWords } from './marks';
import { IOperation } from './shadow';
import { Sync } from './sync';

const RENDER_EVERY = 100;

/** One view of an open notebook (there may be several): marks its cells and keeps its end visible. */
export class Pane implements IDisposable {
  constructor(
    private _notebook: Notebook,
    private _sync: Sync,
    words: MarkWords
  ) {
    if (_sync.empty) {
      _notebook.mode = 'command'; // its only cell will be replaced
    }
    this._marks = new Marks(_notebook, words);
    this._follow = new Follow(_notebook);
    this._node = _notebook.node;
    this._node.addEventListener('focusout', this._flush);
    _sync.applied.connect(this._onApplied, this);
  }

  isDisposed = false;

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this.isDisposed = true;
    window.clearTimeout(this._timer);
    this._sync.applied.disconnect(this._onApplied, this);
    this._node.removeEventListener('focusout', this._flush);
    this._follow.dispose();
    this._marks.dispose();
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

  /** JupyterLab renders Markdown a second after its last change; show the agent's text while it arrives. */
  private _render(id: string): void {
    this._rendering.add(id);
    this._timer ??= window.setTimeout(() => {
      this._timer = undefined;
      const cells = this._notebook.widgets;
      for (const id of this._rendering) {
        const cell = cells[this._sync.view.index(id)];
        if (cell instanceof MarkdownCell && cell.rendered) {
          cell.update();
        }
      }
      this._rendering.clear();
    }, RENDER_EVERY);
  }

  private _flush = (): void => {
    void this._sync.flush();
  };

  private _node: HTMLElement;
  private _marks: Marks;
  private _follow: Follow;
  private _rendering = new Set<string>();
  private _timer: number | undefined;
}
