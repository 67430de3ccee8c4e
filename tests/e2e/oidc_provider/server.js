// A certified OpenID provider for the tests, configured by a JSON file: its one argument.
//
// People are in the file named by `people`, which is read at every sign-in; any password is right.
// `clock_offset_s` makes it live at another time, `nonce` makes it answer with that one.
import { readFileSync } from 'node:fs';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));

if (settings.clock_offset_s) {
  const now = Date.now;
  Date.now = () => now() + settings.clock_offset_s * 1000;
}

// After the clock was set.
const { default: Provider } = await import('oidc-provider');

const provider = new Provider(settings.issuer, {
  clients: settings.clients,
  jwks: settings.jwks,
  pkce: { required: () => true },
  cookies: { keys: ['only for tests'] },
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: settings.claims_in_userinfo_only,
  findAccount: (ctx, id) => {
    const claims = JSON.parse(readFileSync(settings.people, 'utf8'))[id];
    return claims && { accountId: claims.sub, claims: () => claims };
  },
  // Machines: JWTs for the audience that was asked for, with what the client's metadata says.
  extraClientMetadata: { properties: ['token_claims'] },
  extraTokenClaims: (ctx, token) => token.kind === 'ClientCredentials' ? ctx.oidc.client.token_claims : undefined,
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => [],
      getResourceServerInfo: (ctx, audience) => ({
        scope: 'any', audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});

if (settings.nonce) {
  provider.use((ctx, next) => {
    if (ctx.query.nonce) ctx.query = { ...ctx.query, nonce: settings.nonce };
    return next();
  });
}

const { hostname, port } = new URL(settings.issuer);
provider.listen(Number(port), hostname, () => console.log('ready'));
