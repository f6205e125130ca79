/**
 * Where the service is: what this page's path has before its last slash. Behind a proxy that may be
 * below some path, and the page be asked for without the slash at its end.
 */

export const base = location.pathname.replace(/\/+$/, "");

/** The service as a URL, for what is done outside of this page. */
export const baseUrl = `${location.origin}${base}`;
