export interface Column {
  label: string;
  number?: boolean;
  title?: string;
}

export function Head({ columns }: { columns: (string | Column)[] }) {
  return (
    <thead>
      <tr>
        {columns.map((column) => {
          const { label, number, title }: Column = typeof column === "string" ? { label: column } : column;
          return (
            <th key={label} scope="col" className={number ? "number" : undefined} title={title}>
              {label}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

export function Nothing({ columns, children }: { columns: number; children: string }) {
  return (
    <tr>
      <td colSpan={columns} className="empty">
        {children}
      </td>
    </tr>
  );
}
