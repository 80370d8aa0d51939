import CKernel

/// How many columns of a terminal text takes (wcwidth(3)).
enum ShownWidth {
    /// wcwidth(3) knows characters only in a locale that has them.
    private static let locale: Bool = setlocale(LC_CTYPE, "C.UTF-8") != nil

    static func of(_ text: String) -> Int { text.unicodeScalars.reduce(0) { $0 + of($1) } }

    static func of(_ scalar: UnicodeScalar) -> Int {
        _ = locale
        return scalar.isASCII ? 1 : max(0, Int(wcwidth(wchar_t(scalar.value))))
    }
}
