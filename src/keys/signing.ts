export { createSigningPool, type SigningPool } from "./signing-pool.ts";
