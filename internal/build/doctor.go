package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// need says which of the requirements a target has.
type need int

const (
	needGo       need = 1 << iota
	needNode          // runs WASM and TypeScript tests, installs the npm package
	needChromium      // runs the pages
	needNetwork       // page-to-page WebRTC
	needGCC           // the race detector
)

const (
	needTypes = needGo | needNode
	needTests = needTypes | needChromium | needNetwork
	needAll   = needTests | needGCC
)

// Oldest versions that do.
const (
	oldestGo   = "1.26"
	oldestNode = 20
)

// requirement is one thing a machine must have.
type requirement struct {
	need  need
	name  string
	check func(ctx context.Context, b *build) (found string, err error)
	apt   []string          // Debian packages; none: apt-get cannot help
	how   map[string]string // the command or sentence that helps, by operating system; "" for all others
}

var requirements = []requirement{
	{needGo, "Go " + oldestGo + " or newer", checkGo, nil, map[string]string{
		"": "install it from https://go.dev/dl/ (Debian's own go from 1.21 on fetches it by itself: apt-get install golang-go; go env -w GOTOOLCHAIN=auto)"}},
	{needNode, fmt.Sprintf("Node.js %d or newer with npm", oldestNode), checkNode, []string{"nodejs", "npm"}, map[string]string{
		"darwin": "brew install node", "windows": "winget install OpenJS.NodeJS.LTS", "": "install it from https://nodejs.org/en/download"}},
	{needChromium, "Chromium", checkChromium, []string{"chromium"}, map[string]string{
		"": "the browser tests drive Debian's Chromium: run them on Debian or in a container of it (apt-get install chromium)"}},
	{needNetwork, "a network interface that is up", checkNetwork, nil, map[string]string{
		"linux": "ip link add hhs0 type dummy && ip address add 10.97.0.1/24 dev hhs0 && ip link set hhs0 up",
		"":      "connect to a network; it needs no route to anywhere"}},
	{needGCC, "gcc, for the race detector", checkGCC, []string{"gcc", "libc6-dev"}, map[string]string{
		"darwin": "xcode-select --install", "windows": "winget install BrechtSanders.WinLibs.POSIX.UCRT", "": "install gcc with your system's packages"}},
}

func doctorTarget(ctx context.Context, b *build, _ []string) error {
	for _, r := range requirements {
		if found, err := r.check(ctx, b); err == nil {
			fmt.Printf("ok       %s: %s\n", r.name, found)
		}
	}
	return b.doctor(ctx, needAll)
}

// doctor checks what a target needs, installs from Debian what is missing where that may be done, and names the rest.
func (b *build) doctor(ctx context.Context, needs need) error {
	missing := b.missing(ctx, needs)
	if packages := aptPackages(missing); len(packages) > 0 {
		if err := b.install(ctx, packages); err != nil {
			fmt.Println(err)
		} else {
			missing = b.missing(ctx, needs)
		}
	}
	for _, m := range missing {
		fmt.Printf("missing  %s: %v\n         install: %s\n", m.name, m.cause, m.command())
	}
	if len(missing) > 0 {
		return errors.New("something is missing on this machine, see above")
	}
	return nil
}

// lack is a requirement that is not met.
type lack struct {
	requirement
	cause error
}

func (b *build) missing(ctx context.Context, needs need) []lack {
	var list []lack
	for _, r := range requirements {
		if needs&r.need == 0 {
			continue
		}
		if _, err := r.check(ctx, b); err != nil {
			list = append(list, lack{r, err})
		}
	}
	return list
}

// command says what to type.
func (l lack) command() string {
	if len(l.apt) > 0 && debian() {
		line := "apt-get install -y --no-install-recommends " + strings.Join(l.apt, " ")
		if os.Geteuid() != 0 {
			line = "sudo " + line
		}
		if l.need == needNode { // an old Debian's is too old
			line += "; where that is too old: " + l.how[""]
		}
		return line
	}
	if how, ok := l.how[runtime.GOOS]; ok {
		return how
	}
	return l.how[""]
}

func aptPackages(missing []lack) []string {
	var packages []string
	for _, m := range missing {
		packages = append(packages, m.apt...)
	}
	if !debian() || os.Getenv("INSTALL") == "0" {
		return nil
	}
	return packages
}

func debian() bool {
	_, err := exec.LookPath("apt-get")
	return runtime.GOOS == "linux" && err == nil
}

// install has apt-get install packages, as root or through a sudo that asks for no password.
func (b *build) install(ctx context.Context, packages []string) error {
	var prefix []string
	if os.Geteuid() != 0 {
		if err := b.quiet(ctx, command{args: []string{"sudo", "-n", "true"}}); err != nil {
			return errors.New("not installing anything: this user is not root and has no sudo without a password")
		}
		prefix = []string{"sudo", "-n"}
	}
	env := []string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y"}
	return step("apt-get install "+strings.Join(packages, " "), func() error {
		args := func(more ...string) []string { return slices.Concat(prefix, env, more) }
		// A list of packages that cannot be refreshed may still do.
		refreshed := b.quiet(ctx, command{args: args("update")})
		if err := b.quiet(ctx, command{args: args(append([]string{"install", "--no-install-recommends"}, packages...)...)}); err != nil {
			return errors.Join(err, refreshed)
		}
		return nil
	})
}

func checkGo(ctx context.Context, b *build) (string, error) {
	version, err := b.output(ctx, command{args: []string{"go", "env", "GOVERSION"}})
	if err != nil {
		return "", errors.New("the go command does not work")
	}
	var major, minor int
	if _, err := fmt.Sscanf(version, "go%d.%d", &major, &minor); err != nil {
		return version + " (not a release)", nil
	}
	var wantMajor, wantMinor int
	if _, err := fmt.Sscanf(oldestGo, "%d.%d", &wantMajor, &wantMinor); err != nil {
		return "", err
	}
	if major < wantMajor || major == wantMajor && minor < wantMinor {
		return "", fmt.Errorf("%s is too old", version)
	}
	return version, nil
}

// npm is the name of npm's program.
func npm() string {
	if runtime.GOOS == "windows" {
		return "npm.cmd"
	}
	return "npm"
}

var nodeVersion = regexp.MustCompile(`^v(\d+)\.`)

func checkNode(ctx context.Context, b *build) (string, error) {
	version, err := b.output(ctx, command{args: []string{"node", "--version"}})
	if err != nil {
		return "", errors.New("there is no node in the path")
	}
	m := nodeVersion.FindStringSubmatch(version)
	if m == nil {
		return "", fmt.Errorf("node says it is %q", version)
	}
	if major, _ := strconv.Atoi(m[1]); major < oldestNode {
		return "", fmt.Errorf("node is %s", version)
	}
	if _, err := exec.LookPath(npm()); err != nil {
		return "", fmt.Errorf("node is %s but there is no npm in the path", version)
	}
	return version, nil
}

// chromium is where the browser tests look.
const chromium = "/usr/bin/chromium"

func checkChromium(ctx context.Context, b *build) (string, error) {
	if _, err := os.Stat(chromium); err != nil {
		return "", fmt.Errorf("there is no %s", filepath.ToSlash(chromium))
	}
	version, err := b.output(ctx, command{args: []string{chromium, "--version"}})
	if err != nil {
		return "", errors.New("it does not start")
	}
	return version, nil
}

func checkNetwork(context.Context, *build) (string, error) {
	list, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, i := range list {
		addresses, err := i.Addrs()
		if err == nil && len(addresses) > 0 && i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			return fmt.Sprintf("%s %s", i.Name, addresses[0]), nil
		}
	}
	return "", errors.New("direct connections between two pages need one network interface besides loopback that is up")
}

func checkGCC(ctx context.Context, b *build) (string, error) {
	name := os.Getenv("CC")
	if name == "" {
		name = "gcc"
	}
	version, err := b.output(ctx, command{args: []string{name, "--version"}})
	if err != nil {
		return "", fmt.Errorf("there is no %s in the path", name)
	}
	version, _, _ = strings.Cut(version, "\n")
	return version, nil
}
