package identity

// base58btc as did:key uses it: plain positional notation, big-endian, with one
// leading '1' for each leading zero byte. Quadratic, and used only on strings of
// at most MaxKeyText characters.

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

func base58Encode(b []byte) string {
	zeros := 0
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	digits := make([]byte, 0, len(b)*138/100+1) // little-endian
	for _, c := range b[zeros:] {
		carry := int(c)
		for i, d := range digits {
			carry += int(d) << 8
			digits[i] = byte(carry % 58)
			carry /= 58
		}
		for carry > 0 {
			digits = append(digits, byte(carry%58))
			carry /= 58
		}
	}
	out := make([]byte, 0, zeros+len(digits))
	for range zeros {
		out = append(out, '1')
	}
	for i := len(digits) - 1; i >= 0; i-- {
		out = append(out, base58Alphabet[digits[i]])
	}
	return string(out)
}

func base58Decode(s string) ([]byte, bool) {
	zeros := 0
	for zeros < len(s) && s[zeros] == '1' {
		zeros++
	}
	number := make([]byte, 0, len(s)) // little-endian
	for i := zeros; i < len(s); i++ {
		carry := base58Digit(s[i])
		if carry < 0 {
			return nil, false
		}
		for j, d := range number {
			carry += int(d) * 58
			number[j] = byte(carry)
			carry >>= 8
		}
		for carry > 0 {
			number = append(number, byte(carry))
			carry >>= 8
		}
	}
	out := make([]byte, zeros, zeros+len(number))
	for i := len(number) - 1; i >= 0; i-- {
		out = append(out, number[i])
	}
	return out, true
}

func base58Digit(c byte) int {
	for i := range len(base58Alphabet) {
		if base58Alphabet[i] == c {
			return i
		}
	}
	return -1
}
