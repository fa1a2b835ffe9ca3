import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

export type RunState =
  | 'starting'
  | 'running'
  | 'pausing'
  | 'paused'
  | 'human'
  | 'waiting'
  | 'stopped'
  | 'finished'
  | 'failed'
  | 'died';

export type Approval = 'none' | 'cells' | 'costly';

export type Action =
  | 'pause'
  | 'resume'
  | 'step'
  | 'interrupt'
  | 'stop'
  | 'take-over'
  | 'hand-back';

export interface IScore {
  score: number;
  se: number | null;
  metric: string;
  direction: string;
  what: string;
}

export interface IAgent {
  name: string;
  role: string;
  /** Path in the contents API; null if it is outside the server's root. */
  notebook: string | null;
  busy: boolean;
}

export interface IStatus {
  id: string;
  name: string;
  competition: string;
  folder: string;
  run: string;
  state: RunState;
  why: string | null;
  phase: string | null;
  turn: number;
  at: number;
  elapsed: number;
  left: number;
  budget: number;
  ticking: boolean;
  /** The brain that leads. */
  brain: string;
  /** How many turns each brain wrote, and why another one than `brain` did. */
  written_by: string;
  approval: Approval;
  best: IScore | null;
  submitted: IScore | null;
  trials: number;
  tokens: number;
  cost: number | null;
  agents: IAgent[];
  waiting: { agent: string; cell: string; why: string } | null;
  resumable: boolean;
}

export type LogKind =
  | 'step'
  | 'score'
  | 'effect'
  | 'decision'
  | 'submission'
  | 'state'
  | 'human'
  | 'error';

export interface ILogEntry {
  line: number;
  at: number;
  kind: LogKind;
  agent: string;
  text: string;
  /** The cell it is about, if known. */
  cell?: string | null;
  /** Of a step: the brain that wrote it. */
  written_by?: string;
}

export interface ICompetition {
  name: string;
  path: string;
}

export interface IBrain {
  name: string;
  ready: boolean;
  why: string | null;
}

export interface IRunOptions {
  folder: string;
  brain: string;
  budget: string;
  approval: Approval;
  max_cost?: number;
  seed?: number;
}

export type ExportKind = 'html' | 'ipynb' | 'py';

/** An error answer of the server; the message is written for people. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export class Api {
  constructor(readonly settings: ServerConnection.ISettings) {}

  async competitions(): Promise<ICompetition[]> {
    const answer = await this._get<{ competitions: ICompetition[] }>(
      'competitions'
    );
    return answer.competitions;
  }

  brains(): Promise<{ default: string; brains: IBrain[] }> {
    return this._get('brains');
  }

  async runs(): Promise<IStatus[]> {
    return (await this._get<{ runs: IStatus[] }>('runs')).runs;
  }

  start(options: IRunOptions): Promise<IStatus> {
    return this._post('runs', options);
  }

  act(id: string, action: Action, body: object = {}): Promise<IStatus> {
    return this._post(`runs/${encodeURIComponent(id)}/${action}`, body);
  }

  message(id: string, text: string): Promise<IStatus> {
    return this._post(`runs/${encodeURIComponent(id)}/message`, { text });
  }

  /** `cell`: the cell that the person saw. */
  approve(
    id: string,
    yes: boolean,
    cell: string,
    why: string
  ): Promise<IStatus> {
    const body = why ? { yes, cell, why } : { yes, cell };
    return this._post(`runs/${encodeURIComponent(id)}/approve`, body);
  }

  async export(id: string, to: ExportKind): Promise<string> {
    const path = `runs/${encodeURIComponent(id)}/export`;
    return (await this._post<{ path: string }>(path, { to })).path;
  }

  private _get<T>(path: string): Promise<T> {
    return this._request(path, {});
  }

  private _post<T>(path: string, body: object): Promise<T> {
    return this._request(path, { method: 'POST', body: JSON.stringify(body) });
  }

  private async _request<T>(path: string, init: RequestInit): Promise<T> {
    const url = URLExt.join(this.settings.baseUrl, 'cobra', path);
    const response = await ServerConnection.makeRequest(
      url,
      init,
      this.settings
    );
    const text = await response.text();
    let answer: any = null;
    try {
      answer = text ? JSON.parse(text) : null;
    } catch {
      answer = null;
    }
    if (!response.ok || answer === null) {
      const message =
        answer?.message || `${response.status} ${response.statusText}`.trim();
      throw new ApiError(message, response.status);
    }
    return answer as T;
  }
}
