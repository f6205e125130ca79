import { render } from "preact";
import "@uppy/core/css/style.min.css";
import "@uppy/dashboard/css/style.min.css";
import "./style.css";
import { App } from "./views/App";

const root = document.getElementById("app");
if (root) render(<App />, root);
