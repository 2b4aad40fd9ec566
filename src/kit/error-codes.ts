/**
 * Every expected failure: its code, the exit status of a command that ends with it, and what it
 * means. docs/errors.md is this table as a page; a test holds the two together.
 */
export const errorCodes = {
  usage: { exit: 2, meaning: "the command line is wrong" },
  "not-found": { exit: 3, meaning: "what was named does not exist" },
  "already-exists": { exit: 4, meaning: "the name, port or identity is taken" },
  "invalid-name": { exit: 5, meaning: "the name has characters or a length that is not allowed" },
  "invalid-input": { exit: 6, meaning: "a value or a file does not have the required form" },
  unauthenticated: { exit: 10, meaning: "no valid login, token or client certificate" },
  forbidden: { exit: 11, meaning: "the caller is known but may not do this" },
  "rate-limited": { exit: 12, meaning: "too many attempts; wait as long as the answer says" },
  "token-expired": { exit: 13, meaning: "the join token has expired" },
  "token-used": { exit: 14, meaning: "the join token was used before" },
  "untrusted-server": {
    exit: 15,
    meaning: "the server could not prove that it is the Admin Node Manager",
  },
  "fingerprint-mismatch": {
    exit: 16,
    meaning: "the fingerprint is not the one that was given or confirmed",
  },
  denied: { exit: 17, meaning: "the identity is on the deny list" },
  quarantined: { exit: 18, meaning: "the host waits for an administrator's approval" },
  "identity-in-use": { exit: 19, meaning: "another process is using this identity" },
  "home-locked": { exit: 20, meaning: "another process is running on this home folder" },
  "home-missing": { exit: 21, meaning: "the home folder is not part of a domain" },
  "home-exists": { exit: 22, meaning: "the home folder is already part of a domain" },
  "state-corrupt": { exit: 23, meaning: "a state file cannot be read as what it has to be" },
  "disk-full": { exit: 24, meaning: "there is no space left on the disk" },
  "read-only": { exit: 25, meaning: "the folder cannot be written" },
  "port-in-use": { exit: 26, meaning: "another process listens on the port" },
  unreachable: { exit: 30, meaning: "no Admin Node Manager could be reached" },
  "not-running": { exit: 31, meaning: "the process is not running" },
  timeout: { exit: 32, meaning: "it did not happen before the deadline" },
  conflict: { exit: 33, meaning: "something else changed it first; read it again and retry" },
  "store-unavailable": {
    exit: 34,
    meaning: "the database cannot be reached, or takes no writes",
  },
  "rollout-active": { exit: 40, meaning: "a rollout that changes trust is under way" },
  "rollout-blocked": { exit: 41, meaning: "a gate of the rollout does not hold" },
  "plan-stale": { exit: 42, meaning: "the domain changed since the plan was computed" },
  "plan-unsafe": { exit: 43, meaning: "the plan would break the domain" },
  "still-running": { exit: 44, meaning: "stop it first" },
  "not-leader": { exit: 45, meaning: "only the leader may do this" },
  "stale-epoch": {
    exit: 46,
    meaning: "an older trust bundle or topology than the one already seen",
  },
  "signature-invalid": { exit: 47, meaning: "a signature does not verify" },
  "certificate-rejected": { exit: 48, meaning: "a certificate or request breaks a rule" },
  "authority-unavailable": {
    exit: 49,
    meaning: "no Admin Node Manager can sign with this authority",
  },
  "awaiting-signature": {
    exit: 52,
    meaning: "the certificate is signed elsewhere and was not brought back yet",
  },
  "audit-broken": { exit: 50, meaning: "the audit chain or issuance log does not verify" },
  "topology-differs": {
    exit: 51,
    meaning: "not everybody holds the topology that the store holds",
  },
  "generation-refused": {
    exit: 53,
    meaning: "a server did not take its new credentials; it keeps the last that worked",
  },
  "service-unwell": {
    exit: 54,
    meaning: "a service, or one of its members, is not as it should be",
  },
  "not-supported": { exit: 60, meaning: "this version does not do that" },
  internal: { exit: 70, meaning: "a defect of ours; run again with --debug and report it" },
} as const satisfies Record<string, { exit: number; meaning: string }>;

export type ErrorCode = keyof typeof errorCodes;
