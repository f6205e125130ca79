import { render } from "preact";
import "@uppy/core/css/style.min.css";
import "@uppy/dashboard/css/style.min.css";
import "./style.css";
import { watch } from "./session";
import { App } from "./views/App";

watch();

const root = document.getElementById("app");
if (root) render(<App />, root);
