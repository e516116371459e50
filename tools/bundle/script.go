package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// target is the oldest JavaScript the output may use; the features hhs requires at run time are younger.
const target = api.ES2022

// options are those of every script; callers set format, platform and what goes in.
func (b *build) options() api.BuildOptions {
	return api.BuildOptions{
		AbsWorkingDir:     b.path(),
		Bundle:            true,
		Target:            target,
		Charset:           api.CharsetUTF8,
		LegalComments:     api.LegalCommentsNone,
		MinifyWhitespace:  b.minify,
		MinifyIdentifiers: b.minify,
		MinifySyntax:      b.minify,
		LogLevel:          api.LogLevelSilent,
		NodePaths:         []string{b.path("js", "node_modules")}, // for what an example needs
		Plugins:           []api.Plugin{b.wasmExecPlugin(), b.ownPackage()},
		// The Go runtime looks for Node.js only where it may find it.
		Define: map[string]string{},
	}
}

// wasmExecPlugin resolves the import of hhs:wasm_exec to the Go distribution's file.
func (b *build) wasmExecPlugin() api.Plugin {
	return api.Plugin{Name: "wasm_exec", Setup: func(p api.PluginBuild) {
		p.OnResolve(api.OnResolveOptions{Filter: `^hhs:wasm_exec$`}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: b.wasmExec, SideEffects: api.SideEffectsTrue}, nil
		})
	}}
}

// ownPackage resolves the import of hhs, which the examples have as applications do, to the package's source. Applications
// have the engine where the package looks for it; here it is beside the scripts under a name with its hash, which open is told.
func (b *build) ownPackage() api.Plugin {
	source := fmt.Sprintf(`import { open as start } from %[1]q
export * from %[1]q
const assets = { worker: new URL(HHS_ASSETS.worker, import.meta.url), wasm: new URL(HHS_ASSETS.wasm, import.meta.url) }
export const open = options => start({ assets, ...options })
`, filepath.ToSlash(b.path("js", "src", "index.ts")))
	if b.bare {
		source = fmt.Sprintf("export * from %q", filepath.ToSlash(b.path("js", "src", "api.ts")))
	}
	return api.Plugin{Name: "hhs", Setup: func(p api.PluginBuild) {
		p.OnResolve(api.OnResolveOptions{Filter: `^hhs/codemirror$`}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: b.path("js", "src", "codemirror.ts")}, nil
		})
		p.OnResolve(api.OnResolveOptions{Filter: `^hhs$`}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: "hhs", Namespace: "hhs"}, nil
		})
		p.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: "hhs"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			return api.OnLoadResult{Contents: &source, ResolveDir: b.path(), Loader: api.LoaderTS}, nil
		})
	}}
}

// compile runs esbuild and returns its files; a warning is an error.
func compile(o api.BuildOptions) ([]api.OutputFile, error) {
	r := api.Build(o)
	messages := append(api.FormatMessages(r.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage}),
		api.FormatMessages(r.Warnings, api.FormatMessagesOptions{Kind: api.WarningMessage})...)
	if len(messages) > 0 {
		return nil, fmt.Errorf("esbuild:\n%s", strings.Join(messages, "\n"))
	}
	return r.OutputFiles, nil
}

// script bundles one entry point into bytes.
func (b *build) script(entry string, format api.Format, define map[string]string) ([]byte, error) {
	o := b.options()
	o.EntryPoints = []string{b.path(filepath.FromSlash(entry))}
	o.Outfile = filepath.Join(b.path(), "out.js") // never written
	o.Format = format
	o.Platform = api.PlatformBrowser
	o.Define = define
	files, err := compile(o)
	if err != nil {
		return nil, err
	}
	return files[0].Contents, nil
}

// npm builds what the npm package holds, apart from types. Names stay plain: bundlers of applications add hashes.
func (b *build) npm() error {
	if b.wasm == "" {
		return fmt.Errorf("the package needs the engine: give -wasm")
	}
	if err := b.fresh(); err != nil {
		return err
	}
	minify := b.minify
	for _, s := range []struct {
		entry, out string
		platform   api.Platform
		format     api.Format
		external   []string
		minify     bool
	}{
		// What applications bundle themselves stays readable.
		{"js/src/index.ts", "index.js", api.PlatformBrowser, api.FormatESModule, nil, false},
		{"js/src/index.node.ts", "index.node.js", api.PlatformNode, api.FormatESModule, nil, false},
		{"js/src/react.ts", "react.js", api.PlatformNeutral, api.FormatESModule, []string{"react", "./index.js"}, false},
		{"js/src/codemirror.ts", "codemirror.js", api.PlatformNeutral, api.FormatESModule, []string{"@codemirror/*"}, false},
		{"js/src/worker.ts", "worker.js", api.PlatformBrowser, api.FormatIIFE, nil, minify},
	} {
		b.minify = s.minify
		o := b.options()
		o.EntryPoints = []string{b.path(filepath.FromSlash(s.entry))}
		o.Outfile, _ = filepath.Abs(filepath.Join(b.out, s.out))
		o.Platform, o.Format, o.External = s.platform, s.format, s.external
		o.Write = true
		if _, err := compile(o); err != nil {
			return err
		}
	}
	b.minify = minify
	wasm, err := os.ReadFile(b.wasm)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.out, "hhs.wasm"), wasm, 0o644); err != nil {
		return err
	}
	return nil
}

// tests bundles every js/test/*.test.ts for node --test.
func (b *build) tests() error {
	if err := b.fresh(); err != nil {
		return err
	}
	entries, err := filepath.Glob(b.path("js", "test", "*.test.ts"))
	if err != nil {
		return err
	}
	b.minify, b.bare = false, true
	o := b.options()
	o.EntryPoints = entries
	o.Outdir, _ = filepath.Abs(b.out)
	o.OutExtension = map[string]string{".js": ".mjs"}
	o.Platform, o.Format = api.PlatformNode, api.FormatESModule
	o.Sourcemap = api.SourceMapInline
	o.Write = true
	o.Define = map[string]string{"HHS_VECTORS": fmt.Sprintf("%q", filepath.ToSlash(b.path("testdata", "vectors")))}
	if _, err := compile(o); err != nil {
		return err
	}
	return nil
}

// scriptsPage is all that the page of scripts says.
const scriptsPage = `<!doctype html><title>scripts</title><link rel="icon" href="data:,"><script type="module" src="page.js"></script>
`

// scripts builds the page that runs the files of testdata/scripts, for an engine that is made for it.
func (b *build) scripts() error {
	if b.wasm == "" {
		return fmt.Errorf("the page of scripts needs the engine: give -wasm")
	}
	wasm, err := os.ReadFile(b.wasm)
	if err != nil {
		return err
	}
	if err := b.fresh(); err != nil {
		return err
	}
	b.minify, b.bare = false, true
	files := map[string][]byte{"hhs.wasm": wasm, "index.html": []byte(scriptsPage)}
	for name, format := range map[string]api.Format{"page": api.FormatESModule, "peer": api.FormatIIFE} {
		if files[name+".js"], err = b.script("js/test/scripts/"+name+".ts", format, nil); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(b.out, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
