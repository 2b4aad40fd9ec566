export { createSigningPool, type SigningJob, type SigningPool } from "./signing-pool.ts";
export { issueWithSigner } from "./issue-with-signer.ts";
export { TokenKeys } from "./token-keys.ts";
