import { Cell } from '@jupyterlab/cells';
import { Notebook } from '@jupyterlab/notebook';
import { JSONObject } from '@lumino/coreutils';
import { IDisposable } from '@lumino/disposable';

const AGENT = 'jp-cobra-agentCell';
const PERSON = 'jp-cobra-personCell';

/** Who wrote a cell, from its metadata: a short label, and a sentence for screen readers. */
export type MarkWords = (cobra: JSONObject) => {
  label: string;
  sentence: string;
};

/** Marks discreetly which cells an agent wrote and which a person wrote or changed. */
export class Marks implements IDisposable {
  constructor(
    private _notebook: Notebook,
    private _words: MarkWords
  ) {
    _notebook.widgets.forEach(cell => this._mark(cell));
    _notebook.model?.cells.changed.connect(this._onCells, this);
  }

  isDisposed = false;

  refresh(id: string): void {
    const cell = this._notebook.widgets.find(cell => cell.model.id === id);
    if (cell) {
      this._mark(cell);
    }
  }

  dispose(): void {
    this.isDisposed = true;
    this._notebook.model?.cells?.changed.disconnect(this._onCells, this);
  }

  private _onCells(
    _: unknown,
    { newIndex, newValues }: { newIndex: number; newValues: readonly unknown[] }
  ): void {
    for (let at = newIndex; at < newIndex + newValues.length; at++) {
      const cell = this._notebook.widgets[at];
      if (cell) {
        this._mark(cell);
      }
    }
  }

  private _mark(cell: Cell): void {
    const cobra = cell.model.getMetadata('cobra') as JSONObject | undefined;
    const person = !!cobra?.person;
    cell.toggleClass(AGENT, !!cobra?.agent && !person);
    cell.toggleClass(PERSON, person);
    if (cobra?.agent || person) {
      const { label, sentence } = this._words(cobra!);
      cell.node.dataset.cobra = label;
      cell.node.setAttribute('aria-description', sentence);
    } else if (cell.node.dataset.cobra !== undefined) {
      delete cell.node.dataset.cobra;
      cell.node.removeAttribute('aria-description');
    }
  }
}
