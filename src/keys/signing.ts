export {
  createSigningPool,
  type IssuedCertificate,
  type SigningJob,
  type SigningPool,
} from "./signing-pool.ts";
