export { ApiCaller, callApi, type ApiInput, type CallInput } from "./api-caller.ts";
export { ConnectionEpochs } from "./connection-epochs.ts";
export {
  apiPrefix,
  fetchClaimedAuthorities,
  fetchPinnedTrust,
  fetchTrustLinks,
  normalizeFingerprint,
  type ClaimedAuthority,
  type ServerAddress,
} from "./first-contact.ts";
export { dialPreamble, divertDialled, type DialledConnections } from "./dialled.ts";
export {
  handBack,
  handedPassphrases,
  handPassphrases,
  onHandedBack,
} from "./handed-passphrases.ts";
export { readNodeSettings, readStateFile } from "./home-files.ts";
export { contextOf, contextOptions, readIdentity, type Identity } from "./identity.ts";
export { LoadedTrust, type SavedTrust } from "./loaded-trust.ts";
export {
  describePeer,
  fingerprintOfPem,
  judgePeer,
  readPeer,
  serialOfPeer,
  sha256Hex,
  type Self,
} from "./peer.ts";
export {
  answerProbe,
  judgeProbeClient,
  probe,
  ProbeContexts,
  probeProtocol,
  probeServerName,
  type ProbeAnswer,
} from "./probe.ts";
export { adminServerTls, knownCaTls, mutualTls, pinnedServerTls } from "./server-checks.ts";
export {
  guardConnections,
  listenerOptions,
  reloadListener,
  type ListenerRules,
  type ListenerState,
} from "./tls-server.ts";
export { isAlive, markOf, readMark, signalProcess, type ProcessMark } from "./process-mark.ts";
export { mayDoBetterElsewhere } from "./reach-failure.ts";
export { ManagedRelyingParty } from "./relying-party.ts";
