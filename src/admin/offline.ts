/** The door for what a command does on a home folder while no Admin Node Manager runs there. */
export {
  databaseLoginProblem,
  forgetDatabaseSettings,
  saveDatabaseLogin,
  saveDatabaseSettings,
} from "./database.ts";
export { adoptFolder } from "./adopt.ts";
export { backUpHome } from "./backup.ts";
export { signCsrOffline } from "./sign-csr.ts";
export { changePassphrase } from "./change-passphrase.ts";
export { planOffline } from "./plan-offline.ts";
export { recoverHome } from "./recover.ts";
export { awaitsRecovery, submitToHome } from "./recover-elsewhere.ts";
export { restoreHome } from "./restore.ts";
export {
  awaitsFirstHost,
  cancelFirstHost,
  completeFirstHost,
  requestFirstHost,
  type FirstHostOutcome,
  type FirstHostRequest,
} from "./first-host.ts";
export { type GivenToken } from "./home-token.ts";
export { nameToken } from "./name-token.ts";
export { operatorLifetimeSeconds } from "./openssl-config.ts";
export { initializeHome, type InitializedHome } from "./initialize-home.ts";
