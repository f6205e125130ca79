/** The page at `/api/docs`: the contract, which is beside it, for people. */

import SwaggerUIBundle from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";

SwaggerUIBundle({
  domNode: document.getElementById("docs"),
  // The path of this page may have a slash at its end.
  url: location.pathname.replace(/docs\/?$/, "openapi.json"),
  // Nothing is asked of anybody else: by itself it would have the contract judged elsewhere.
  validatorUrl: null,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
});
