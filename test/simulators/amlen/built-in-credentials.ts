/**
 * The simulator's own stand-in for the credentials that every Amlen server brings, and whose key anybody can
 * read: EC P-256, self-signed, the same subject and validity as Amlen's (facts section 5.2), another key and so
 * another fingerprint. The same for high availability, control and messaging.
 */
export const builtInCertificate = `-----BEGIN CERTIFICATE-----
MIICHDCCAcGgAwIBAgIQZhxVz6of2QpLW/y+QJf0rTAKBggqhkjOPQQDAjBcMQsw
CQYDVQQGEwJYWDEVMBMGA1UEBwwMRGVmYXVsdCBDaXR5MQwwCgYDVQQKDANJQk0x
FjAUBgNVBAsMDU1lc3Nhc2dlU2lnaHQxEDAOBgNVBAMMB2NsdXN0ZXIwIBcNMTUw
NDIwMDAwMDAwWhgPMjExNTAzMjcwMDAwMDBaMFwxCzAJBgNVBAYTAlhYMRUwEwYD
VQQHDAxEZWZhdWx0IENpdHkxDDAKBgNVBAoMA0lCTTEWMBQGA1UECwwNTWVzc2Fz
Z2VTaWdodDEQMA4GA1UEAwwHY2x1c3RlcjBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABOeLMNyf4/8+isgBsnUeuX8K3VckNuZkjrs+T8/CiBD0pLgIm0Dp7Qhw9qjB
VV6ng9e/AK9yJlXzk0dn2cZeLVCjYzBhMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0P
AQH/BAQDAgGGMB0GA1UdDgQWBBRnzeMzUAdZcBB5QKknyb3myp1FFzAfBgNVHSME
GDAWgBRnzeMzUAdZcBB5QKknyb3myp1FFzAKBggqhkjOPQQDAgNJADBGAiEA4N6m
AUmb/h5iSZA5m8CVo6i0oIQmgW3sRDvWWjwLVdoCIQCRHmFkR93PPQow9jwWIb91
aIkHnUPZ85+g/Tk4cjCn2g==
-----END CERTIFICATE-----
`;

export const builtInKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgu4CebcUL1h2+k00U
JjB8x2Jp3s1MjKREuwRiesrvBwihRANCAATnizDcn+P/PorIAbJ1Hrl/Ct1XJDbm
ZI67Pk/PwogQ9KS4CJtA6e0IcPaowVVep4PXvwCvciZV85NHZ9nGXi1Q
-----END PRIVATE KEY-----
`;
