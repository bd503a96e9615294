// A portal on this machine, for trying things out: PORTAL_ISSUER=http://127.0.0.1:4000
// needs: npm install --save-dev oidc-provider
import { startTestPortal } from 'express-portal-auth/testing';

const portal = await startTestPortal({
  port: Number(process.env.PORTAL_PORT ?? 4000),
  clientId: process.env.PORTAL_CLIENT_ID,
  clientSecret: process.env.PORTAL_CLIENT_SECRET,
  ...(process.env.PORTAL_REDIRECT_URI && { redirectUris: [process.env.PORTAL_REDIRECT_URI] }),
});
console.log(`a portal at ${portal.issuer}, for ${portal.options.clientId}`);
