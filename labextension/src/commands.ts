import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';

import { Action, ExportKind } from './api';
import {
  handBackIcon,
  interruptIcon,
  pauseIcon,
  resumeIcon,
  stepIcon,
  stopIcon,
  takeOverIcon
} from './icons';
import { IRuns } from './runs';
import { CommandIDs } from './tokens';
import { isOver, isPossible } from './words';

const TOGGLE_PAUSE = 'cobra:toggle-pause';
const TOGGLE_HANDS = 'cobra:toggle-hands';

export interface IControl {
  id: string;
  action: Action;
  label: string;
  caption: string;
  icon: LabIcon;
}

/** What a person can do with a run: labels for buttons and the palette. */
export function controls(trans: TranslationBundle): Record<Action, IControl> {
  const control = (
    id: string,
    action: Action,
    label: string,
    caption: string,
    icon: LabIcon
  ): IControl => ({ id, action, label, caption, icon });
  return {
    pause: control(
      CommandIDs.pause,
      'pause',
      trans.__('Pause'),
      trans.__('Pause when the current cell has finished'),
      pauseIcon
    ),
    resume: control(
      CommandIDs.resume,
      'resume',
      trans.__('Resume'),
      trans.__('Let the agent continue'),
      resumeIcon
    ),
    step: control(
      CommandIDs.step,
      'step',
      trans.__('Step'),
      trans.__('Let the agent do one turn, then pause'),
      stepIcon
    ),
    interrupt: control(
      CommandIDs.interrupt,
      'interrupt',
      trans.__('Interrupt'),
      trans.__('Pause at once: stop the running cell and the model’s reply'),
      interruptIcon
    ),
    stop: control(
      CommandIDs.stop,
      'stop',
      trans.__('Stop'),
      trans.__('End the run; the best submission so far remains'),
      stopIcon
    ),
    'take-over': control(
      CommandIDs.takeOver,
      'take-over',
      trans.__('Take over'),
      trans.__('Pause the agent and work in its notebook and kernel yourself'),
      takeOverIcon
    ),
    'hand-back': control(
      CommandIDs.handBack,
      'hand-back',
      trans.__('Hand back'),
      trans.__('Give the notebook back: the agent first reads your changes'),
      handBackIcon
    )
  };
}

export interface ICommandOptions {
  commands: CommandRegistry;
  runs: IRuns;
  trans: TranslationBundle;
}

/** Add the commands that control the current run. */
export function addControls({ commands, runs, trans }: ICommandOptions): void {
  for (const control of Object.values(controls(trans))) {
    const { id, action, label, caption, icon } = control;
    commands.addCommand(id, {
      label: args =>
        args.isPalette || args.isMenu ? trans.__('%1 Run', label) : label,
      caption,
      icon: args => (args.isPalette ? undefined : icon),
      isEnabled: () =>
        !!runs.current && isPossible(action, runs.current.status),
      execute: args => act(runs, action, trans, args.more as string)
    });
  }
  commands.addCommand(CommandIDs.exportTo, {
    label: args =>
      ({
        html: trans.__('Export Run’s Notebook as HTML'),
        ipynb: trans.__('Export Run’s Notebook as Notebook'),
        py: trans.__('Export Run’s Notebook as Script')
      })[(args.to as ExportKind) ?? 'html'],
    isEnabled: () => !!runs.current,
    execute: args => exportTo(commands, runs, args.to as ExportKind, trans)
  });
}

/** Update buttons and menus; toolbar buttons only listen to their own command. */
export function refreshCommands(commands: CommandRegistry): void {
  commands.notifyCommandChanged();
  commands.notifyCommandChanged(TOGGLE_PAUSE);
  commands.notifyCommandChanged(TOGGLE_HANDS);
}

/** Update them whenever the current run or its state changes. */
export function refreshOnChange(runs: IRuns, commands: CommandRegistry): void {
  let seen = '';
  runs.changed.connect(() => {
    const { id, status } = runs.current ?? {};
    const now = `${id} ${status?.state} ${status?.resumable}`;
    if (now !== seen) {
      seen = now;
      refreshCommands(commands);
    }
  });
}

async function act(
  runs: IRuns,
  action: Action,
  trans: TranslationBundle,
  more?: string
): Promise<void> {
  const run = runs.current;
  if (!run) {
    return;
  }
  if (action === 'stop' && !(await mayStop(run.status.name, trans))) {
    return;
  }
  const extended = action === 'resume' && isOver(run.status) && !!more;
  if (!(await run.act(action, extended ? { more } : {}))) {
    Notification.emit(run.error, 'error', { autoClose: 5000 });
  }
}

async function mayStop(
  name: string,
  trans: TranslationBundle
): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Stop this run?'),
    body: trans.__(
      'The agent’s work on %1 ends. Its notebook and its best submission so far remain.',
      name
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep running') }),
      Dialog.warnButton({ label: trans.__('Stop') })
    ]
  });
  return answer.button.accept;
}

async function exportTo(
  commands: CommandRegistry,
  runs: IRuns,
  to: ExportKind = 'html',
  trans: TranslationBundle
): Promise<void> {
  const run = runs.current;
  if (!run) {
    return;
  }
  try {
    const path = await runs.api.export(run.id, to);
    const open = {
      label: trans.__('Open'),
      caption: path,
      callback: () => void commands.execute('docmanager:open', { path })
    };
    Notification.emit(trans.__('Exported: %1', path), 'success', {
      autoClose: 15_000,
      actions: commands.hasCommand('docmanager:open') ? [open] : []
    });
  } catch (error) {
    run.fail((error as Error).message);
    Notification.emit((error as Error).message, 'error', { autoClose: 5000 });
  }
}

/**
 * Add two toolbar commands. Each is a pair of actions of which one is possible at a time.
 *
 * `isVisible`: whether the notebook that is shown belongs to the current run.
 */
export function addToggles(
  options: ICommandOptions & { isVisible: () => boolean }
): void {
  const { commands, runs, trans } = options;
  const all = controls(trans);
  const toggle = (id: string, choose: (state: string) => Action) => {
    const control = () => all[choose(runs.current?.status.state ?? '')];
    commands.addCommand(id, {
      label: () => control().label,
      caption: () => control().caption,
      icon: () => control().icon,
      isEnabled: () => commands.isEnabled(control().id),
      isVisible: () =>
        options.isVisible() && !!runs.current && !isOver(runs.current.status),
      execute: () => commands.execute(control().id)
    });
  };
  toggle(TOGGLE_PAUSE, state => (state === 'paused' ? 'resume' : 'pause'));
  toggle(TOGGLE_HANDS, state =>
    state === 'human' ? 'hand-back' : 'take-over'
  );
}
