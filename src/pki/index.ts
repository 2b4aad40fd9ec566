export {
  authorityProblems,
  type AuthorityInput,
  type AuthorityProblem,
  type NeededLeaf,
} from "./authority-problems.ts";
export { bytesEqual } from "./bytes.ts";
export { base64Decode, base64Encode } from "./base64.ts";
export { formatTime } from "./civil-time.ts";
export {
  certificateFingerprint,
  certificateText,
  isAuthorityCertificate,
  isProbeCertificate,
  isSelfIssued,
  parseCertificate,
  parseCertificatesPem,
  spkiFingerprint,
  type Certificate,
  type TbsCertificate,
} from "./certificate.ts";
export {
  completeCertificate,
  prepareCertificate,
  type CertificateTemplate,
  type Issuer,
  type SigningTicket,
} from "./certificate-build.ts";
export { differencesFromRequest, type CertificateDifference } from "./certificate-differences.ts";
export { isMeantAsCertificates, kindOfFile, readCertificates } from "./certificate-file.ts";
export { crossCertificateTemplate } from "./cross-certificate.ts";
export type { CryptoPort } from "./crypto-port.ts";
export {
  encryptedPrivateKeyDer,
  readEncryptedPrivateKey,
  type ScryptEncrypted,
} from "./encrypted-private-key.ts";
export type {
  AuthorityKeyId,
  BasicConstraints,
  Extensions,
  KeyUsage,
  RawExtension,
} from "./extensions.ts";
export { formatGeneralName, parseGeneralNameText, type GeneralName } from "./general-name.ts";
export { certificateIsForHost } from "./host-name.ts";
export { formatIpAddress, parseIpAddress } from "./ip-address.ts";
export { isNamedIssuer, isSignedBy } from "./issued-by.ts";
export { issuanceDifferences, type IssuedCertificate } from "./issued-certificate.ts";
export { formatName, parseNameText, type NameOrder } from "./name-text.ts";
export {
  isEmptyName,
  nameKey,
  namesEqual,
  namesIdentical,
  nameValue,
  parseName,
  type Name,
  type NameAttribute,
} from "./name.ts";
export { leafTemplate, type LeafText } from "./leaf-text.ts";
export { oid } from "./oid.ts";
export { indexedSerials, indexLine, type IndexEntry } from "./openssl-index.ts";
export { verifyPath, type PathFailure, type PathInput, type PathResult } from "./path.ts";
export type { PathPolicy, PathRule } from "./path-rules.ts";
export type { Pkcs12Crypto } from "./pkcs12/crypto.ts";
export type { Pkcs12Form } from "./pkcs12/encryption.ts";
export { readPkcs12, type Pkcs12Content } from "./pkcs12/read.ts";
export { writePkcs12, type Pkcs12Template } from "./pkcs12/write.ts";
export { decodeOnePem, decodePem, encodePem, type PemBlock } from "./pem.ts";
export {
  authorityProfile,
  processProfile,
  roleUsages,
  trafficProfile,
  type CertificateProfile,
  type CertificateRole,
} from "./profiles.ts";
export { ecdsaSignature, p256PublicKey } from "./raw-ecdsa.ts";
export {
  describePublicKey,
  publicKeyText,
  subjectKeyIdOf,
  type PublicKeyInfo,
} from "./public-key.ts";
export {
  parseRequest,
  parseRequestPem,
  verifyRequestSignature,
  type CertificateRequest,
} from "./request.ts";
export {
  completeRequest,
  prepareRequest,
  type RequestTemplate,
  type RequestTicket,
} from "./request-build.ts";
export { isRevocationListOf, parseRevocationList, type RevocationList } from "./revocation-list.ts";
export { randomSerial } from "./serial.ts";
export {
  defaultSignatureAlgorithm,
  digestOfAlgorithm,
  type SignatureAlgorithm,
  type SignatureDigest,
} from "./signature-algorithm.ts";
export { leafValidity, type Validity } from "./validity.ts";
export { utf8Decode, utf8Encode } from "./characters.ts";
