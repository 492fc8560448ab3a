// Every command, in the order of the help.

import {accessAddCommand} from './access-add.ts';
import {accessLsCommand} from './access-ls.ts';
import {accessRevokeCommand} from './access-revoke.ts';
import {appInitCommand} from './app-init.ts';
import {appLsCommand} from './app-ls.ts';
import {appPublishCommand} from './app-publish.ts';
import {appTestCommand} from './app-test.ts';
import {appVersionsCommand} from './app-versions.ts';
import {batchCancelCommand} from './batch-cancel.ts';
import {batchCloneCommand} from './batch-clone.ts';
import {batchDeleteCommand} from './batch-delete.ts';
import {batchExportCommand} from './batch-export.ts';
import {batchHistoryCommand} from './batch-history.ts';
import {batchLsCommand} from './batch-ls.ts';
import {batchResultsCommand} from './batch-results.ts';
import {batchShowCommand} from './batch-show.ts';
import {batchSubmitCommand} from './batch-submit.ts';
import {
  batchPriorityCommand,
  batchResumeCommand,
  batchRetryCommand,
  batchSuspendCommand,
} from './batch-suspend.ts';
import {batchWatchCommand} from './batch-watch.ts';
import {captureCommand} from './capture.ts';
import {captureActionsCommand} from './capture-actions.ts';
import {captureCancelCommand} from './capture-cancel.ts';
import {captureClocksCommand} from './capture-clocks.ts';
import {
  captureFetchCommand,
  captureLsCommand,
  captureRmCommand,
  captureShowCommand,
} from './capture-orders.ts';
import {capturePreviewCommand} from './capture-preview.ts';
import {captureSettingsCommand} from './capture-settings.ts';
import {captureVerifyCommand} from './capture-verify.ts';
import type {CommandSpec} from './command.ts';
import {demoCommand} from './demo.ts';
import {doctorCommand} from './doctor.ts';
import {initCommand} from './init.ts';
import {keysPassphraseCommand} from './keys-passphrase.ts';
import {keysRotateCommand} from './keys-rotate.ts';
import {keysShowCommand} from './keys-show.ts';
import {mapCommand} from './map.ts';
import {masterCommand} from './master.ts';
import {nodeCommand} from './node.ts';
import {
  nodeAbortCommand,
  nodeDrainCommand,
  nodeResumeCommand,
  nodeStatusCommand,
  nodeSuspendCommand,
} from './node-control.ts';
import {nodesCommand} from './nodes.ts';
import {
  nodesDrainCommand,
  nodesForgetCommand,
  nodesLabelCommand,
  nodesQuarantineCommand,
  nodesReleaseCommand,
  nodesResumeCommand,
  nodesSuspendCommand,
} from './nodes-orders.ts';
import {nodesApproveCommand, nodesDenyCommand, nodesPendingCommand} from './nodes-pending.ts';
import {nodesPrefsCommand} from './nodes-prefs.ts';
import {nodesRevokeCommand} from './nodes-revoke.ts';
import {nodesShowCommand} from './nodes-show.ts';
import {nodesTokenCommand} from './nodes-token.ts';
import {pushCommand} from './push.ts';
import {pushCancelCommand, pushLsCommand, pushShowCommand} from './push-orders.ts';
import {recoverCommand} from './recover.ts';
import {rigApplyCommand} from './rig-apply.ts';
import {rigDiffCommand} from './rig-diff.ts';
import {rigExportCommand} from './rig-export.ts';
import {simPlanCommand} from './sim-plan.ts';
import {resumeCommand, statusCommand, suspendCommand} from './status.ts';
import {storeSweepCommand} from './store-sweep.ts';

export const COMMANDS: readonly CommandSpec[] = [
  demoCommand,
  initCommand,
  masterCommand,
  nodeCommand,
  nodeStatusCommand,
  nodeSuspendCommand,
  nodeResumeCommand,
  nodeDrainCommand,
  nodeAbortCommand,
  nodesCommand,
  nodesShowCommand,
  nodesTokenCommand,
  nodesPendingCommand,
  nodesApproveCommand,
  nodesDenyCommand,
  nodesPrefsCommand,
  nodesRevokeCommand,
  nodesLabelCommand,
  nodesSuspendCommand,
  nodesDrainCommand,
  nodesResumeCommand,
  nodesQuarantineCommand,
  nodesReleaseCommand,
  nodesForgetCommand,
  statusCommand,
  suspendCommand,
  resumeCommand,
  mapCommand,
  batchSubmitCommand,
  batchLsCommand,
  batchShowCommand,
  batchWatchCommand,
  batchResultsCommand,
  batchExportCommand,
  batchCancelCommand,
  batchSuspendCommand,
  batchResumeCommand,
  batchPriorityCommand,
  batchRetryCommand,
  batchCloneCommand,
  batchDeleteCommand,
  batchHistoryCommand,
  captureCommand,
  captureLsCommand,
  captureShowCommand,
  captureFetchCommand,
  captureVerifyCommand,
  captureCancelCommand,
  captureRmCommand,
  captureActionsCommand,
  captureClocksCommand,
  captureSettingsCommand,
  capturePreviewCommand,
  pushCommand,
  pushLsCommand,
  pushShowCommand,
  pushCancelCommand,
  rigDiffCommand,
  rigApplyCommand,
  rigExportCommand,
  appInitCommand,
  appTestCommand,
  appPublishCommand,
  appLsCommand,
  appVersionsCommand,
  accessAddCommand,
  accessLsCommand,
  accessRevokeCommand,
  keysShowCommand,
  keysRotateCommand,
  keysPassphraseCommand,
  doctorCommand,
  recoverCommand,
  storeSweepCommand,
  simPlanCommand,
];
