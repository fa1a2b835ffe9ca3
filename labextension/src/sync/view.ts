import { CellChange, ISharedCell, NotebookChange } from '@jupyter/ydoc';
import { ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import { INotebookModel } from '@jupyterlab/notebook';
import { JSONObject } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import { ICell, INotebookView } from './shadow';

/** The open notebook by cell id, and what a person changed since the last comparison. */
export class ModelView implements INotebookView, IDisposable {
  constructor(readonly model: INotebookModel) {
    this._watch(model.sharedModel.cells);
    model.sharedModel.changed.connect(this._onChanged, this);
  }

  /** Changed by a person, so possibly different from the runner's notebook. */
  readonly touched = {
    order: false,
    metadata: false,
    cells: new Set<string>(),
    /** Cells whose outputs were cleared; new ones may have arrived since. */
    cleared: new Set<string>()
  };

  /** Called after each change outside `silently`, with the cell's id if one cell changed. */
  onTouched: (id?: string) => void = () => undefined;

  get order(): string[] {
    return this.model.sharedModel.cells.map(cell => cell.id);
  }

  get metadata(): JSONObject {
    return this.model.sharedModel.getMetadata() as JSONObject;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  shared(id: string): ISharedCell | undefined {
    const cell = this._cells.get(id);
    return cell?.isDisposed ? undefined : cell;
  }

  index(id: string): number {
    const cell = this.shared(id);
    return cell ? this.model.sharedModel.cells.lastIndexOf(cell) : -1;
  }

  code(id: string): ICodeCellModel | undefined {
    return codeOf(this.model.cells.get(this.index(id)));
  }

  cell(id: string): ICell | undefined {
    const cell = this.shared(id);
    return cell && read(cell, this.code(id));
  }

  /** All cells, in order. */
  all(): ICell[] {
    const { cells, sharedModel } = this.model;
    return sharedModel.cells.map((cell, at) =>
      read(cell, codeOf(cells.get(at)))
    );
  }

  /** Change the notebook without counting it as an edit by the person; a clean notebook stays clean. */
  silently(change: () => void): void {
    const { dirty } = this.model;
    const outer = this._silent;
    this._silent = true;
    try {
      change();
      if (!dirty) {
        this.model.dirty = false;
      }
    } finally {
      this._silent = outer;
    }
  }

  /** Forget what was touched. */
  forget(): void {
    this.touched.order = this.touched.metadata = false;
    this.touched.cells.clear();
    this.touched.cleared.clear();
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
    this._cells.clear();
  }

  private _watch(cells: Iterable<ISharedCell>): void {
    for (const cell of cells) {
      this._cells.set(cell.id, cell);
      (cell.changed as any).connect(this._onCellChanged, this);
    }
  }

  private _onChanged(_: unknown, change: NotebookChange): void {
    for (const part of change.cellsChange ?? []) {
      this._watch(part.insert ?? []);
      if (!this._silent) {
        part.insert?.forEach(cell => this.touched.cells.add(cell.id));
      }
    }
    if (!this._silent && (change.cellsChange || change.metadataChange)) {
      this.touched.order = this.touched.order || !!change.cellsChange;
      this.touched.metadata = this.touched.metadata || !!change.metadataChange;
      this.onTouched();
    }
  }

  private _onCellChanged(cell: ISharedCell, change: CellChange): void {
    if (this._silent || change.streamOutputChange) {
      return;
    }
    if (change.executionStateChange && Object.keys(change).length === 1) {
      return;
    }
    this.touched.cells.add(cell.id);
    if (change.outputsChange && !this.code(cell.id)?.outputs.length) {
      this.touched.cleared.add(cell.id);
    }
    this.onTouched(cell.id);
  }

  private _cells = new Map<string, ISharedCell>();
  private _silent = false;
  private _isDisposed = false;
}

function codeOf(cell: ICellModel | undefined): ICodeCellModel | undefined {
  return cell?.type === 'code' ? (cell as ICodeCellModel) : undefined;
}

function read(cell: ISharedCell, code: ICodeCellModel | undefined): ICell {
  return {
    id: cell.id,
    type: cell.cell_type,
    source: cell.getSource(),
    metadata: cell.getMetadata() as JSONObject,
    attachments: attachmentsOf(cell),
    executed:
      !!code &&
      (code.outputs.length > 0 ||
        code.executionCount !== null ||
        code.executionState === 'running')
  };
}

function attachmentsOf(cell: ISharedCell): JSONObject | undefined {
  return 'attachments' in cell ? (cell.attachments as JSONObject) : undefined;
}
